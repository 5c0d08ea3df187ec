// SPDX-License-Identifier: Apache-2.0
/* The definitions that the API server checks with and the readers agree on the names of fields. */
#include "common/testing/cm.h"
#include "policysync/crd_json.h"

#include <stdio.h>
#include <string.h>

#define CRDS PW_SOURCE_DIR "/charts/podward/files/crds/podward.dev_"

struct walk {
	const char *kind;
	bool namespaced;
	size_t fields;
};

static size_t read_text(const char *path, char *text, size_t size)
{
	FILE *f = fopen(path, "re");
	size_t length;

	assert_non_null(f);
	length = fread(text, 1, size - 1, f);
	text[length] = '\0';
	assert_int_equal(fclose(f), 0);
	return length;
}

static struct pw_json *read_yaml(const char *path)
{
	static char text[64 * 1024];
	struct pw_json **docs = NULL, *first;
	struct pw_err err = PW_ERR_INIT;
	size_t count = 0, length = read_text(path, text, sizeof(text));

	if (pw_yaml_parse(pw_slice_of(text, length), &docs, &count, &err) < 0)
		fail_msg("%s: %s", path, err.msg);
	assert_int_equal(count, 1);
	first = docs[0];
	free((void *)docs);
	return first;
}

/* A document in which nothing is there but this field, which is null: absent for a reader that
 * knows it, refused by one that does not. */
static void check_field(struct walk *w, const char *open, const char *key, const char *close)
{
	char text[4096];
	struct pw_json *doc = NULL;
	struct crd_object *o = NULL;
	struct pw_err err = PW_ERR_INIT;

	(void)snprintf(text, sizeof(text),
		"{\"apiVersion\":\"%s\",\"kind\":\"%s\",\"metadata\":{\"name\":\"x\"%s},\"spec\":%"
		"s\"%s\":"
		"null%s}",
		CRD_API_VERSION, w->kind, w->namespaced ? ",\"namespace\":\"n\"" : "", open, key,
		close);
	if (pw_json_parse(pw_slice_str(text), &doc, &err) < 0)
		fail_msg("%s: %s", text, err.msg);
	if (crd_parse(doc, &o, &err) == 0)
		crd_object_free(o);
	if (strstr(err.msg, "unknown"))
		fail_msg("the definition has a field that the reader refuses: %s", err.msg);
	pw_json_free(doc);
	w->fields++;
}

/* What the reader wants to see before it looks deeper: the other required fields, with samples. */
static void add_samples(const struct pw_json *schema, const char *but, char *out, size_t size)
{
	const struct pw_json *required = pw_json_get(schema, "required");

	for (size_t i = 0; i < pw_json_size(required); i++) {
		struct pw_slice name = pw_json_text(pw_json_at(required, i));
		char key[64];
		const struct pw_json *field;
		struct pw_slice first;
		size_t used = strlen(out);

		(void)snprintf(key, sizeof(key), "%.*s", PW_SLICE_ARG(name));
		field = pw_json_get(pw_json_get(schema, "properties"), key);
		first = pw_json_text(pw_json_at(pw_json_get(field, "enum"), 0));
		if (strcmp(key, but) == 0 ||
			!pw_slice_eq_str(pw_json_text(pw_json_get(field, "type")), "string"))
			continue;
		(void)snprintf(out + used, size - used, "\"%s\":\"%.*s\",", key,
			first.len > 0 ? (int)first.len : 1,
			first.len > 0 ? (const char *)first.ptr : "x");
	}
}

static void walk_object(
	struct walk *w, const struct pw_json *schema, const char *open, const char *close)
{
	const struct pw_json *properties = pw_json_get(schema, "properties"), *field;
	const char *key = NULL;
	void *cursor = NULL;

	while ((field = pw_json_next(properties, &cursor, &key)) != NULL) {
		struct pw_slice type = pw_json_text(pw_json_get(field, "type"));
		const struct pw_json *items = pw_json_get(field, "items");
		bool list = pw_slice_eq_str(type, "array");
		const struct pw_json *inner = list ? items : field;
		char deeper_open[2048], deeper_close[256];

		check_field(w, open, key, close);
		if (!pw_json_get(inner, "properties"))
			continue;
		(void)snprintf(deeper_open, sizeof(deeper_open), "%s", open);
		add_samples(schema, key, deeper_open, sizeof(deeper_open));
		(void)snprintf(deeper_open + strlen(deeper_open),
			sizeof(deeper_open) - strlen(deeper_open), "\"%s\":%s{", key,
			list ? "[" : "");
		(void)snprintf(deeper_close, sizeof(deeper_close), "}%s%s", list ? "]" : "", close);
		walk_object(w, inner, deeper_open, deeper_close);
	}
}

static void every_field_of_a_definition_is_known_to_the_reader(void **state)
{
	static const struct {
		const char *kind, *plural;
		bool namespaced;
		size_t fields;
	} rows[] = {
		{"RuntimePolicy", "runtimepolicies", true, 30},
		{"ClusterRuntimePolicy", "clusterruntimepolicies", false, 32},
		{"RuntimeExclusion", "runtimeexclusions", true, 10},
		{"ClusterRuntimeExclusion", "clusterruntimeexclusions", false, 11},
		{"SignatureSet", "signaturesets", false, 19},
	};

	(void)state;
	for (size_t i = 0; i < PW_COUNT(rows); i++) {
		struct walk w = {rows[i].kind, rows[i].namespaced, 0};
		char path[512];
		struct pw_json *crd;
		const struct pw_json *version, *spec;

		(void)snprintf(path, sizeof(path), CRDS "%s.yaml", rows[i].plural);
		crd = read_yaml(path);
		version = pw_json_at(pw_json_get(pw_json_get(crd, "spec"), "versions"), 0);
		spec = pw_json_get(
			pw_json_get(pw_json_get(pw_json_get(version, "schema"), "openAPIV3Schema"),
				"properties"),
			"spec");
		walk_object(&w, spec, "{", "}");
		assert_true(w.fields >= rows[i].fields);
		pw_json_free(crd);
	}
}

/* Names in the lists "what[] = {…}" of a reader's source. */
static void check_lists(const char *source, const char *what, const char *crd)
{
	static char code[64 * 1024], schema[64 * 1024];
	char wanted[80];
	size_t found = 0;
	char *at = code;

	read_text(source, code, sizeof(code));
	read_text(crd, schema, sizeof(schema));
	while ((at = strstr(at, what)) != NULL) {
		char *end = strchr(at, '}'), *quote = strchr(at, '"');

		for (; quote && end && quote < end; quote = strchr(quote, '"')) {
			size_t length = strcspn(quote + 1, "\"");

			/* "name:" as a property, or the name in an enum */
			(void)snprintf(wanted, sizeof(wanted), "%.*s", (int)length, quote + 1);
			if (!strstr(schema, wanted))
				fail_msg("%s knows \"%s\", %s does not", source, wanted, crd);
			quote += length + 2;
			found++;
		}
		at = end;
	}
	assert_true(found > 1);
}

static void every_name_that_a_reader_knows_is_in_the_definition(void **state)
{
	static const struct {
		const char *source, *what, *plural;
	} rows[] = {
		{"crd_policy.c", "known[] = {", "clusterruntimepolicies"},
		{"crd_read.c", "dimensions[] = {", "runtimepolicies"},
		{"crd_read.c", "dimensions[] = {", "clusterruntimepolicies"},
		{"crd_exclusion.c", "known[] = {", "runtimeexclusions"},
		{"crd_exclusion.c", "known[] = {", "clusterruntimeexclusions"},
		{"crd_signature.c", "known[] = {", "signaturesets"},
		{"crd_signature.c", "modes[] = {", "signaturesets"},
		{"crd_read.c", "known[] = {", "clusterruntimepolicies"},
	};
	char source[512], crd[512];

	(void)state;
	for (size_t i = 0; i < PW_COUNT(rows); i++) {
		(void)snprintf(
			source, sizeof(source), PW_SOURCE_DIR "/policysync/%s", rows[i].source);
		(void)snprintf(crd, sizeof(crd), CRDS "%s.yaml", rows[i].plural);
		check_lists(source, rows[i].what, crd);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_field_of_a_definition_is_known_to_the_reader),
		cmocka_unit_test(every_name_that_a_reader_knows_is_in_the_definition),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
