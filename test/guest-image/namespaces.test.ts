import { expect, it } from "vitest";
import { explainNoNamespaces, inNamespaces, type NamespaceFacts } from "../../guest-image/namespaces.ts";

const facts: NamespaceFacts = { uid: 1000, user: "david", hasRanges: true, settings: {}, words: "unshare failed: ?" };

it("an ordinary user becomes root of a user namespace, and root needs none", () => {
	expect(inNamespaces(["id"], 1000).join(" ")).toBe(
		"setpriv --pdeathsig KILL unshare --user --map-root-user --map-auto --mount --pid --fork --kill-child --mount-proc -- id",
	);
	expect(inNamespaces(["id"], 0)).not.toContain("--user");
});

it.each<[string, Partial<NamespaceFacts>, RegExp, string]>([
	[
		"the kernel allows none",
		{ settings: { "user.max_user_namespaces": "0" } },
		/user\.max_user_namespaces is 0/,
		"sudo sysctl --write user.max_user_namespaces=10000",
	],
	[
		"Debian's switch is off",
		{ settings: { "kernel.unprivileged_userns_clone": "0" } },
		/userns_clone is 0/,
		"sudo sysctl --write kernel.unprivileged_userns_clone=1",
	],
	[
		"AppArmor decides",
		{
			settings: { "kernel.apparmor_restrict_unprivileged_userns": "1" },
			words: "unshare: write failed /proc/self/uid_map: Operation not permitted",
		},
		/AppArmor/,
		"sudo sysctl --write kernel.apparmor_restrict_unprivileged_userns=0",
	],
	[
		"there is no newuidmap",
		{ words: "unshare: failed to execute newuidmap: No such file or directory" },
		/newuidmap is not there/,
		"sudo apt-get install uidmap",
	],
	[
		"the user has no range",
		{ hasRanges: false, words: 'unshare: no line matching user "david" in /etc/subuid' },
		/no range of uids for david/,
		"sudo usermod --add-subuids 100000-165535 --add-subgids 100000-165535 david",
	],
	[
		"nobody knows",
		{},
		/that fails here: unshare failed: \?/,
		`${inNamespaces(["true"], 1000).join(" ")}   # fails alike`,
	],
	[
		"root is one of a container",
		{ uid: 0 },
		/a container/,
		"Build it outside of the container, or give that CAP_SYS_ADMIN.",
	],
])("where %s it says what helps", (_, changes, message, remedy) => {
	const error = explainNoNamespaces({ ...facts, ...changes });
	expect(error.message).toMatch(message);
	expect(error.remedy).toBe(remedy);
});
