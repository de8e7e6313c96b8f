/** Policies of searching and learned factors, in words. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { factorsOf, policyText, saysNothing, unseenOf } from "../src/pages/settings/fusion";

test("a policy is the same whatever the order in which its channels were chosen", () => {
  assert.equal(policyText({ preset: null, channels: { vector: 1, keyword: 2 } }), policyText({ preset: null, channels: { keyword: 2, vector: 1 } }));
  assert.notEqual(policyText({ preset: null, channels: null }), policyText({ preset: null, channels: {} }));
  assert.notEqual(policyText({ preset: "fast", channels: null }), policyText({ preset: null, channels: null }));
  assert.ok(saysNothing({ preset: null, channels: null }));
  assert.ok(!saysNothing({ preset: null, channels: {} }));
});

test("factors stand in the order of the channels, those that change nothing left out", () => {
  assert.deepEqual(factorsOf({ temporal: 1.3, keyword: 0.7, vector: 1, graph: 1.001 }), [["keyword", 0.7], ["temporal", 1.3]]);
  assert.deepEqual(factorsOf({}), []);
});

test("an evaluation without a comparison has none", () => {
  const outcome = { recall: 0.5, ndcg: 0.4 };
  const comparison = { searches: 12, before: outcome, after: outcome, better: 3, worse: 0, broken: 0 };
  assert.deepEqual(unseenOf({ unseen: comparison, overall: null }), comparison);
  for (const none of [{}, { unseen: null }, { unseen: "?" }, { unseen: {} }]) assert.equal(unseenOf(none), null);
});
