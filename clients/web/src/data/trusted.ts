/** Scripts that may be loaded: only files of this build. The policy of contents allows this one policy and no other. */

interface Policy {
  createScriptURL: (url: string) => string;
}

interface Factory {
  createPolicy: (name: string, rules: Policy) => Policy;
}

const checked = (url: string): string => {
  if (new URL(url, location.href).origin !== location.origin) throw new TypeError("A script of another origin is not loaded.");
  return url;
};

const factory = (globalThis as { trustedTypes?: Factory }).trustedTypes;
const policy: Policy = factory?.createPolicy("memory-admin", { createScriptURL: checked }) ?? { createScriptURL: checked };

/** Start a worker from a file of this build. */
export const startWorker = (url: string): Worker => new Worker(policy.createScriptURL(url), { type: "module" });
