/** Values of crosvm's options: `key=value,…` by its serde_keyvalue (serde_keyvalue/src/key_values.rs). Pure. */

export type KeyValue = string | number | boolean;

/** Every key is named: without it a path with = would be read as one. */
export const toKeyValues = (values: Readonly<Record<string, KeyValue>>): string =>
	Object.entries(values)
		.map(([key, value]) => `${key}=${typeof value === "string" ? quote(value) : value}`)
		.join(",");

/** A bare string ends at a comma, bracket or quote; in double quotes \ takes the next character as it is. */
const quote = (value: string): string =>
	/^[^,"'[\]]+$/.test(value) ? value : `"${value.replaceAll(/[\\"]/g, "\\$&")}"`;
