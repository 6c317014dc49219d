/** docs/events.schema.json, by which programs know what `qubes-lite events --json` says. */
import { readFileSync } from "node:fs";
import { problemsOf, resolve, type Schema } from "./json-schema.ts";

export const eventsSchema: Schema = JSON.parse(
	readFileSync(new URL("../../docs/events.schema.json", import.meta.url), "utf8"),
);

interface EventSchema {
	readonly properties: Readonly<Record<string, Schema>>;
}

/** By the type that it describes. */
export const eventSchemas: ReadonlyMap<unknown, EventSchema> = new Map(
	(eventsSchema.oneOf as Schema[])
		.map(({ $ref }) => resolve($ref, eventsSchema) as unknown as EventSchema)
		.map((schema) => [schema.properties.type?.const, schema]),
);

/** What is wrong with a line of `qubes-lite events --json`: what the schema does not allow, and what it does not mention. */
export function problemsOfLine(line: string): string[] {
	const event: Record<string, unknown> = JSON.parse(line);
	const described = Object.keys(eventSchemas.get(event.type)?.properties ?? {});
	const others = Object.keys(event).filter((key) => !described.includes(key));
	return [...problemsOf(event, eventsSchema), ...others.map((key) => `$.${key} is not described`)];
}
