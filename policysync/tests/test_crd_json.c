// SPDX-License-Identifier: Apache-2.0
#include "fixture.h"

#include "common/testing/oom.h"
#include "common/wire/arena_alloc.h"
#include "policysync/crd_json.h"
#include "policysync/defaults.h"
#include <errno.h>

#define HEAD(kind, meta) \
	"apiVersion: podward.dev/v1alpha1\nkind: " kind "\nmetadata: {" meta "}\nspec:\n"
#define POLICY(spec)    HEAD("ClusterRuntimePolicy", "name: p") spec
#define RULE(rule)      POLICY("  rules:\n  - {name: r, action: Deny, " rule "}\n")
#define EXCLUSION(spec) HEAD("RuntimeExclusion", "name: e, namespace: n") spec
#define SET(rule)       HEAD("SignatureSet", "name: s") "  rules:\n  - {" rule "}\n"
#define SIG             "id: a.b, title: t, condition: evt.type = open, severity: High"

static int parse(const char *text, struct crd_object **ret, struct pw_err *err)
{
	struct pw_json **docs = NULL;
	size_t count = 0;
	int r = pw_yaml_parse(pw_slice_str(text), &docs, &count, err);

	if (r < 0)
		return r;
	r = crd_parse(docs[0], ret, err);
	pw_yaml_docs_free(docs, count);
	return r;
}

/* Each document is wrong in one way; the message must name object and field. */
static const struct {
	const char *text;
	const char *words; /* in the message */
} refusals[] = {
	{"- a\n", "document: expected object"},
	{"kind: RuntimePolicy\n", "apiVersion: expected podward.dev/v1alpha1"},
	{"apiVersion: podward.dev/v2\nkind: RuntimePolicy\n", "apiVersion: "},
	{"apiVersion: 1\nkind: RuntimePolicy\n", "apiVersion: "},
	{"apiVersion: podward.dev/v1alpha1\n", "kind: "},
	{"apiVersion: podward.dev/v1alpha1\nkind: Deployment\n", "kind: \"Deployment\" is unknown"},
	{"apiVersion: podward.dev/v1alpha1\nkind: SignatureSet\nspec: {}\n",
		"SignatureSet: metadata: missing"},
	{HEAD("SignatureSet", "") "  rules: []\n", "metadata.name: missing"},
	{HEAD("SignatureSet", "name: Upper") "  rules: []\n", "metadata.name: expected a name"},
	{HEAD("SignatureSet", "name: -a") "  rules: []\n", "metadata.name: expected a name"},
	{HEAD("SignatureSet", "name: a..b") "  rules: []\n", "metadata.name: expected a name"},
	{HEAD("SignatureSet", "name: 7") "  rules: []\n", "metadata.name: expected text"},
	{HEAD("SignatureSet", "name: a, namespace: b") "  rules: []\n",
		"metadata.namespace: this kind has no namespace"},
	{HEAD("RuntimePolicy", "name: a") "  mode: Audit\n", "metadata.namespace: missing"},
	{HEAD("RuntimePolicy", "name: a, namespace: b.c") "  mode: Audit\n",
		"metadata.namespace: expected"},
	{HEAD("RuntimePolicy", "name: a, nmespace: b") "  mode: Audit\n", "metadata.nmespace"},
	{"apiVersion: podward.dev/v1alpha1\nkind: SignatureSet\nmetadata: {name: a}\nspc: "
	 "{}\n",
		"SignatureSet/a: spc"},
	{"apiVersion: podward.dev/v1alpha1\nkind: SignatureSet\nmetadata: {name: a}\n",
		"SignatureSet/a: spec: missing"},
	{"apiVersion: podward.dev/v1alpha1\nkind: ClusterRuntimePolicy\nmetadata: {name: "
	 "a}\nspec: 3\n",
		"ClusterRuntimePolicy/a: spec: expected object"},
	{POLICY("  mod: Audit\n"), "ClusterRuntimePolicy/p: spec.mod"},
	{POLICY("  mode: audit\n"), "spec.mode: "},
	{POLICY("  mode: 1\n"), "spec.mode: "},
	{POLICY("  tier: Namespaced\n"), "spec.tier: "},
	{HEAD("RuntimePolicy", "name: a, namespace: b") "  tier: Default\n",
		"RuntimePolicy/b/a: spec.tier: only ClusterRuntimePolicy"},
	{POLICY("  priority: 1001\n"), "spec.priority: "},
	{POLICY("  priority: -1\n"), "spec.priority: "},
	{POLICY("  priority: high\n"), "spec.priority: expected"},
	{POLICY("  priority: 1.5\n"), "spec.priority: expected"},
	{POLICY("  selector: []\n"), "spec.selector: expected object"},
	{POLICY("  selector: {podSelector: {}}\n"), "spec.selector.podSelector"},
	{POLICY("  selector: {names: cart}\n"), "spec.selector.names: expected array"},
	{POLICY("  selector: {names: [cart, 3]}\n"), "spec.selector.names[1]: expected text"},
	{POLICY("  selector: {names: [\"\"]}\n"), "spec.selector.names[0]: expected a pattern"},
	{POLICY("  selector: {kinds: [\"Deploy*\"]}\n"), "spec.selector.kinds[0]: expected a kind"},
	{HEAD("RuntimePolicy", "name: a, namespace: b") "  selector: {namespaces: [c]}\n",
		"spec.selector.namespaces: not allowed here"},
	{POLICY("  profile: {enabled: yes}\n"), "spec.profile.enabled: "},
	{POLICY("  profile: {learningDuration: 0s}\n"), "spec.profile.learningDuration: "},
	{POLICY("  profile: {learningDuration: 91d}\n"), "spec.profile.learningDuration: "},
	{POLICY("  profile: {learningDuration: soon}\n"), "spec.profile.learningDuration: "},
	{POLICY("  profile: {dimensions: [exec, smell]}\n"),
		"spec.profile.dimensions[1]: expected exec"},
	{POLICY("  profile: {severity: Fatal}\n"), "spec.profile.severity: "},
	{POLICY("  signatures: {sets: [Default]}\n"), "spec.signatures.sets[0]: "},
	{POLICY("  signatures: {overrides: {}}\n"), "spec.signatures.overrides"},
	{POLICY("  rules: {}\n"), "spec.rules: expected array"},
	{POLICY("  rules: [3]\n"), "spec.rules[0]: expected object"},
	{POLICY("  rules:\n  - {action: Deny}\n"), "spec.rules[0].name: missing"},
	{POLICY("  rules:\n  - {name: r, match: {exec: {paths: [a]}}}\n"),
		"spec.rules[0].action: missing"},
	{RULE("severity: High"), "spec.rules[0].match: missing"},
	{RULE("match: {}"), "spec.rules[0].match: expected exactly one"},
	{RULE("match: {exec: {paths: [a]}, file: {paths: [b]}}"),
		"spec.rules[0].match: expected exactly one"},
	{RULE("match: {exec: {}}"), "spec.rules[0].match.exec.paths: missing"},
	{RULE("match: {exec: {paths: []}}"), "spec.rules[0].match.exec.paths: must not be empty"},
	{RULE("match: {exec: null}"), "spec.rules[0].match.exec: expected object"},
	{RULE("match: {file: {paths: [a], write: 1}}"), "spec.rules[0].match.file.write: "},
	{RULE("match: {network: {}}"), "spec.rules[0].match.network: names no"},
	{RULE("match: {network: {cidrs: [10.0.0.0/33]}}"),
		"spec.rules[0].match.network.cidrs[0]: expected a CIDR"},
	{RULE("match: {network: {cidrs: [\"10.0.0.0\"]}}"), "cidrs[0]: expected a CIDR"},
	{RULE("match: {network: {cidrs: [\"fe80::/129\"]}}"), "cidrs[0]: expected a CIDR"},
	{RULE("match: {network: {ports: [0]}}"),
		"spec.rules[0].match.network.ports[0]: expected a port"},
	{RULE("match: {network: {ports: [\"80\"]}}"), "ports[0]: expected a port"},
	{RULE("match: {network: {protocol: icmp}}"), "spec.rules[0].match.network.protocol: "},
	{RULE("match: {exec: {paths: [a]}}, from: {uids: [0]}"), "spec.rules[0].from.uids"},
	{RULE("match: {exec: {paths: [a]}}, mitre: [T14]"),
		"spec.rules[0].mitre[0]: expected an ATT&CK"},
	{POLICY("  rules:\n  - {name: r, action: Deny, match: {exec: {paths: [a]}}}\n  - "
		"{name: r, action: Allow, match: {exec: {paths: [a]}}}\n"),
		"spec.rules[1].name: the name is used"},
	{EXCLUSION("  detectors: [x]\n"), "RuntimeExclusion/n/e: spec.reason: missing"},
	{EXCLUSION("  detectors: [x]\n  reason: \"\"\n"), "spec.reason: expected one line"},
	{EXCLUSION("  detectors: [x]\n  reason: \"  \"\n"), "spec.reason: expected one line"},
	{EXCLUSION("  reason: r\n"), "spec.detectors: missing"},
	{EXCLUSION("  detectors: []\n  reason: r\n"), "spec.detectors: must not be empty"},
	{EXCLUSION("  detectors: [x]\n  reason: r\n  shadow: often\n"), "spec.shadow: expected"},
	{EXCLUSION("  detectors: [x]\n  reason: r\n  expires: tomorrow\n"),
		"spec.expires: expected a time"},
	{EXCLUSION("  detectors: [x]\n  reason: r\n  expires: \"2026-13-01T00:00:00Z\"\n"),
		"spec.expires: expected a time"},
	{EXCLUSION("  detectors: [x]\n  reason: r\n  until: 1\n"), "spec.until"},
	{HEAD("SignatureSet", "name: s") "  rules: []\n", "spec.rules: must not be empty"},
	{SET("title: t, condition: c, severity: High"),
		"SignatureSet/s: spec.rules[0].id: missing"},
	{SET("id: a, condition: c, severity: High"), "spec.rules[0].title: missing"},
	{SET("id: a, title: t, severity: High"), "spec.rules[0].condition: missing"},
	{SET("id: a, title: t, condition: \" \", severity: High"),
		"spec.rules[0].condition: expected a condition"},
	{SET("id: a, title: t, condition: c"), "spec.rules[0].severity: missing"},
	{SET("id: A b, title: t, condition: c, severity: High"),
		"spec.rules[0].id: expected an id"},
	{SET("id: a, title: \"x\\ny\", condition: c, severity: High"),
		"spec.rules[0].title: expected one line"},
	{SET(SIG ", profile: learned"), "spec.rules[0].profile: "},
	{SET(SIG ", disabled: 1"), "spec.rules[0].disabled: "},
};

static void a_wrong_document_is_refused_with_object_and_field(void **state)
{

	(void)state;
	assert_true(PW_COUNT(refusals) >= 40);
	for (size_t i = 0; i < PW_COUNT(refusals); i++) {
		struct pw_err err = PW_ERR_INIT;
		struct crd_object *object = NULL;

		if (parse(refusals[i].text, &object, &err) == 0 || object ||
			!strstr(err.msg, refusals[i].words))
			fail_msg("row %zu: expected \"%s\", got \"%s\"", i, refusals[i].words,
				err.msg);
	}
}

static void a_list_over_its_ceiling_is_refused(void **state)
{
	struct pw_buf text;
	struct pw_err err = PW_ERR_INIT;
	struct crd_object *object = NULL;

	(void)state;
	pw_buf_init(&text, 1 << 20);
	(void)pw_buf_add_str(&text, POLICY("  rules:\n"));
	for (int i = 0; i < 257; i++)
		(void)pw_buf_addf(
			&text, "  - {name: r%d, action: Allow, match: {exec: {paths: [/x]}}}\n", i);
	assert_true(parse(pw_buf_text(&text), &object, &err) < 0);
	assert_non_null(strstr(err.msg, "spec.rules: 257 items, at most 256"));
	pw_buf_done(&text);
}

static const char full_policy[] = POLICY(
	"  mode: Audit\n  tier: Guardrail\n  priority: 7\n"
	"  selector: {namespaces: [\"shop-*\"], kinds: [Deployment], names: [cart], containers: "
	"[c],"
	" images: [\"*/cart:*\"]}\n"
	"  profile: {enabled: false, learningDuration: 15m, dimensions: [net.egress, exec], "
	"severity: Low}\n"
	"  signatures: {enabled: true, sets: [default], disabled: [net.imds]}\n"
	"  rules:\n"
	"  - name: no-shells\n    action: Deny\n    severity: Critical\n"
	"    match: {exec: {paths: [/bin/sh, /bin/*sh]}}\n    from: {exec: [/usr/sbin/nginx]}\n"
	"    mitre: [T1059.004]\n"
	"  - {name: data, action: Allow, match: {file: {paths: [/data/**], write: true}}}\n"
	"  - {name: db, action: Allow, match: {network: {cidrs: [10.0.0.0/8, \"fd00::/8\"], ports: "
	"[5432],"
	" protocol: tcp}}}\n");

static bool is(ProtobufCBinaryData b, const char *text)
{
	return pw_slice_eq_str(pw_slice_of(b.data, b.len), text);
}

static void every_field_of_a_policy_arrives(void **state)
{
	struct pw_err err = PW_ERR_INIT;
	struct crd_object *o = NULL;
	struct pw_arena *a = NULL;
	const Podward__V1__Policy *p;

	(void)state;
	assert_int_equal(parse(full_policy, &o, &err), 0);
	assert_string_equal(o->key, "ClusterRuntimePolicy/p");
	assert_int_equal(pw_arena_new(1 << 16, 1 << 20, &a), 0);
	p = (const Podward__V1__Policy *)pw_unpack(a, &podward__v1__policy__descriptor, o->packed);
	assert_non_null(p);
	assert_int_equal(p->mode, PODWARD__V1__POLICY_MODE__POLICY_MODE_AUDIT);
	assert_int_equal(p->tier, PODWARD__V1__POLICY_TIER__POLICY_TIER_GUARDRAIL);
	assert_int_equal(p->priority, 7);
	assert_true(is(p->selector->namespaces[0], "shop-*") &&
		    is(p->selector->kinds[0], "Deployment"));
	assert_true(is(p->selector->names[0], "cart") && is(p->selector->containers[0], "c"));
	assert_true(is(p->selector->images[0], "*/cart:*"));
	assert_true(p->profile->present && !p->profile->enabled);
	assert_int_equal(p->profile->learning_duration_ns, 900 * PW_NS_PER_S);
	assert_int_equal(p->profile->n_dimensions, 2);
	assert_int_equal(p->profile->dimensions[0], PODWARD__V1__DIMENSION__DIMENSION_NET_EGRESS);
	assert_int_equal(p->profile->severity, PODWARD__V1__SEVERITY__SEVERITY_LOW);
	assert_true(p->signatures->present && p->signatures->enabled);
	assert_true(is(p->signatures->sets[0], "default") &&
		    is(p->signatures->disabled[0], "net.imds"));
	assert_int_equal(p->n_rules, 3);
	assert_int_equal(p->rules[0]->action, PODWARD__V1__RULE_ACTION__RULE_ACTION_DENY);
	assert_int_equal(p->rules[0]->severity, PODWARD__V1__SEVERITY__SEVERITY_CRITICAL);
	assert_int_equal(p->rules[0]->exec->n_paths, 2);
	assert_true(is(p->rules[0]->from_exec[0], "/usr/sbin/nginx"));
	assert_true(is(p->rules[0]->mitre[0], "T1059.004"));
	assert_true(p->rules[1]->file->write && !p->rules[1]->file->read);
	assert_int_equal(p->rules[2]->network->n_cidrs, 2);
	assert_int_equal(p->rules[2]->network->ports[0], 5432);
	assert_true(is(p->rules[2]->network->protocol, "tcp"));
	pw_arena_free(a);
	crd_object_free(o);
}

static void defaults_of_a_policy_are_filled_in(void **state)
{
	struct pw_err err = PW_ERR_INIT;
	struct crd_object *o = NULL;
	struct pw_arena *a = NULL;
	const Podward__V1__Policy *p;

	(void)state;
	assert_int_equal(
		parse(HEAD("RuntimePolicy", "name: a, namespace: b") "  profile: {}\n", &o, &err),
		0);
	assert_string_equal(o->key, "RuntimePolicy/b/a");
	assert_int_equal(pw_arena_new(1 << 16, 1 << 20, &a), 0);
	p = (const Podward__V1__Policy *)pw_unpack(a, &podward__v1__policy__descriptor, o->packed);
	assert_non_null(p);
	assert_int_equal(p->mode, PODWARD__V1__POLICY_MODE__POLICY_MODE_ENFORCE);
	assert_int_equal(p->tier, PODWARD__V1__POLICY_TIER__POLICY_TIER_NAMESPACED);
	assert_int_equal(p->priority, 100);
	assert_true(is(p->namespace_, "b") && is(p->name, "a"));
	assert_true(p->profile->present && p->profile->enabled &&
		    p->profile->learning_duration_ns == 0);
	assert_null(p->signatures);
	assert_null(p->selector);
	pw_arena_free(a);
	crd_object_free(o);
}

static void an_exclusion_with_expiry_arrives(void **state)
{
	static const struct {
		const char *text;
		int64_t seconds;
	} rows[] = {{"1970-01-01T00:00:00Z", 0}, {"2027-01-01T00:00:00Z", 1798761600},
		{"2024-02-29T23:59:59Z", 1709251199}, {"2100-03-01T00:00:00Z", 4107542400}};
	char text[512];

	(void)state;
	for (size_t i = 0; i < PW_COUNT(rows); i++) {
		struct pw_err err = PW_ERR_INIT;
		struct crd_object *o = NULL;
		struct pw_arena *a = NULL;
		const Podward__V1__Exclusion *e;

		(void)snprintf(text, sizeof(text),
			EXCLUSION("  detectors: [profile/*]\n  objects: [/etc/shadow]\n  actors: "
				  "[/bin/tar]\n"
				  "  reason: nightly backup\n  shadow: true\n  expires: \"%s\"\n"),
			rows[i].text);
		assert_int_equal(parse(text, &o, &err), 0);
		assert_int_equal(pw_arena_new(1 << 16, 1 << 20, &a), 0);
		e = (const Podward__V1__Exclusion *)pw_unpack(
			a, &podward__v1__exclusion__descriptor, o->packed);
		assert_non_null(e);
		assert_int_equal(e->expires_wall_ns, rows[i].seconds * (int64_t)PW_NS_PER_S);
		assert_true(is(e->detectors[0], "profile/*") && is(e->objects[0], "/etc/shadow"));
		assert_true(is(e->actors[0], "/bin/tar") && is(e->reason, "nightly backup"));
		assert_true(e->shadow);
		pw_arena_free(a);
		crd_object_free(o);
	}
}

/* The form that alerts carry (analyzer) becomes valid by filling in the reason. */
static void the_exclusion_out_of_an_alert_can_be_used(void **state)
{
	static const char alert[] =
		"apiVersion: podward.dev/v1alpha1\nkind: RuntimeExclusion\nmetadata:\n"
		"  name: exclude-0123456789ab\n  namespace: \"shop\"\nspec:\n  selector:\n"
		"    kinds: [\"Deployment\"]\n    names: [\"cart\"]\n    containers: [\"server\"]\n"
		"  detectors: [\"profile/file.read\"]\n  objects: [\"/etc/shadow\"]\n"
		"  actors: [\"/bin/cat\"]\n  reason: \"\" # say why; an empty reason is refused\n";
	char text[1024];
	const char *quote = strstr(alert, "\"\" #");
	struct pw_err err = PW_ERR_INIT;
	struct crd_object *o = NULL;

	(void)state;
	assert_true(parse(alert, &o, &err) < 0);
	assert_non_null(strstr(err.msg, "spec.reason"));
	pw_err_clear(&err);
	(void)snprintf(text, sizeof(text), "%.*s\"agreed with operations\"\n", (int)(quote - alert),
		alert);
	assert_int_equal(parse(text, &o, &err), 0);
	crd_object_free(o);
}

static void what_an_api_server_adds_is_accepted(void **state)
{
	static const char text[] =
		"apiVersion: podward.dev/v1alpha1\nkind: ClusterRuntimePolicy\nmetadata:\n  name: "
		"p\n"
		"  uid: 1-2-3\n  resourceVersion: \"7\"\n  generation: 2\n  managedFields: []\n"
		"  annotations: {a: b}\nspec: {mode: Audit}\nstatus: {conditions: []}\n";
	struct pw_err err = PW_ERR_INIT;
	struct crd_object *o = NULL;

	(void)state;
	assert_int_equal(parse(text, &o, &err), 0);
	crd_object_free(o);
}

static void the_embedded_defaults_are_valid(void **state)
{
	size_t objects = 0, signatures = 0;

	(void)state;
	assert_int_equal(defaults_file_count, 2);
	for (size_t i = 0; i < defaults_file_count; i++) {
		struct pw_err err = PW_ERR_INIT;
		struct pw_json **docs = NULL;
		size_t count = 0;

		assert_int_equal(pw_yaml_parse(defaults_files[i].text, &docs, &count, &err), 0);
		for (size_t d = 0; d < count; d++) {
			struct crd_object *o = NULL;

			if (crd_parse(docs[d], &o, &err) < 0)
				fail_msg("%s: %s", defaults_files[i].name, err.msg);
			objects++;
			if (o->kind == CRD_SIGNATURE_SET)
				signatures += pw_json_size(
					pw_json_get(pw_json_get(docs[d], "spec"), "rules"));
			crd_object_free(o);
		}
		pw_yaml_docs_free(docs, count);
	}
	assert_int_equal(objects, 2);
	assert_true(signatures >= 12);
}

static int parse_full(void *ctx)
{
	struct pw_err err = PW_ERR_INIT;
	struct crd_object *o = NULL, *copy;
	int r = crd_parse(ctx, &o, &err);

	if (r < 0)
		return r;
	copy = crd_dup(o);
	crd_object_free(o);
	if (!copy)
		return -ENOMEM;
	crd_object_free(copy);
	return 0;
}

static void running_out_of_memory_is_an_ordinary_error(void **state)
{
	struct pw_json **docs = NULL;
	struct pw_err err = PW_ERR_INIT;
	size_t count = 0;

	(void)state;
	assert_int_equal(pw_yaml_parse(pw_slice_str(full_policy), &docs, &count, &err), 0);
	assert_true(pw_oom_loop(parse_full, docs[0]) >= 3);
	pw_yaml_docs_free(docs, count);
}

static void a_wrong_rule_is_left_out_and_named(void **state)
{
	const char *text = SET(SIG "}\n  - {" SIG "}\n  - {id: other, title: t, condition: c");
	const Podward__V1__SignatureSet *set;
	struct crd_object *object = NULL;
	pw_cleanup(pw_arena_freep) struct pw_arena *a = NULL;

	(void)state;
	assert_int_equal(pw_arena_new(4096, 1 << 20, &a), 0);
	assert_int_equal(parse(text, &object, NULL), 0);
	set = (const void *)pw_unpack(a, &podward__v1__signature_set__descriptor, object->packed);
	assert_non_null(set);
	assert_int_equal(set->n_rules, 1);
	assert_int_equal(set->n_problems, 2);
	assert_true(set->problems[0]->is_refused && set->problems[1]->is_refused);
	assert_true(pw_slice_find(pw_slice_of(set->problems[0]->message.data,
					  set->problems[0]->message.len),
			    PW_SLICE_LIT("the id is used")) >= 0);
	assert_memory_equal(set->problems[1]->name.data, "other", 5);
	crd_object_free(object);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_wrong_document_is_refused_with_object_and_field),
		cmocka_unit_test(a_wrong_rule_is_left_out_and_named),
		cmocka_unit_test(a_list_over_its_ceiling_is_refused),
		cmocka_unit_test(every_field_of_a_policy_arrives),
		cmocka_unit_test(defaults_of_a_policy_are_filled_in),
		cmocka_unit_test(an_exclusion_with_expiry_arrives),
		cmocka_unit_test(the_exclusion_out_of_an_alert_can_be_used),
		cmocka_unit_test(what_an_api_server_adds_is_accepted),
		cmocka_unit_test(the_embedded_defaults_are_valid),
		cmocka_unit_test(running_out_of_memory_is_an_ordinary_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
