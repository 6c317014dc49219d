/** Lines and questions of all kinds, from few names: so that they meet. */
import fc from "fast-check";
import type { Names, Question } from "../../src/policy/find-rule.ts";
import { formatRule, type OpenUrlRule, type Rule, services } from "../../src/policy/rule.ts";

/** "disp" is the default base. */
export const vmNames = ["shopping", "vault", "disp", "work"] as const;
export const instances = { "disp-0001": "disp", "disp-0002": "work", "disp-00ff": null } as const;

export const names: Names = {
	defaultBase: () => "disp",
	baseOf: (instance) => instances[instance as keyof typeof instances] ?? null,
};

const argument = fc.constantFrom("firefox", "memory", "https", "#x", "ünï");

/** As the grammar has it: what a rule of `set` or `open` may have as argument is one of few. */
const argumentOf = (service: string): fc.Arbitrary<string | null> => {
	if (service === "set") return fc.constantFrom("memory", "idleTimeout", null);
	return service === "open" ? fc.constantFrom("https", "mailto", null) : fc.option(argument);
};

const target = fc.constantFrom(...vmNames, "@anyvm", "@dispvm", "@dispvm:disp", "@dispvm:work");

export const anyRule: fc.Arbitrary<Omit<Rule, "at">> = fc.constantFrom("*" as const, ...services).chain((service) =>
	fc.record({
		service: fc.constant(service),
		argument: argumentOf(service),
		source: fc.constantFrom("@host", "@anyvm", ...vmNames),
		target,
		action: fc.constantFrom("allow", "deny"),
	}),
);

export const anyOpenUrl: fc.Arbitrary<Omit<OpenUrlRule, "at">> = fc.record({
	host: fc.constantFrom("*", "bank.example", "*.bank.example", "*.example", "a.bank.example", "[::1]", "127.0.0.1"),
	target: fc.constantFrom(...vmNames, "@dispvm", "@dispvm:work", "ask"),
});

export const anyQuestion: fc.Arbitrary<Question> = fc.record({
	source: fc.constantFrom("@host", "@anyvm", ...vmNames, "disp-0001"),
	target: fc.oneof(target, fc.constantFrom(...Object.keys(instances), "other")),
	service: fc.constantFrom(...services),
	argument: fc.option(argument, { nil: undefined }),
});

/** With places of their own. */
export const placed = (rules: readonly Omit<Rule, "at">[]): Rule[] =>
	rules.map((rule, index) => ({ ...rule, at: { file: "/p", line: index + 1, text: formatRule(rule) } }));
