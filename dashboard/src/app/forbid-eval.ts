// Imported before anything else: the server's policy forbids evaluating text as code, and the schemas' own probe for
// that permission would be reported as a violation. This is zod's global configuration, read when schemas are made.
Reflect.set(globalThis, '__zod_globalConfig', { jitless: true });
