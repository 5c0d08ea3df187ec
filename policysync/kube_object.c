// SPDX-License-Identifier: Apache-2.0
#include "policysync/kube_object.h"
#include "common/base/clock.h"
#include "common/base/escape.h"
#include <errno.h>
#include <stdio.h>

#define API "/apis/" CRD_API_VERSION

static const char *const plurals[CRD_KINDS] = {
	[CRD_RUNTIME_POLICY] = "runtimepolicies",
	[CRD_CLUSTER_RUNTIME_POLICY] = "clusterruntimepolicies",
	[CRD_RUNTIME_EXCLUSION] = "runtimeexclusions",
	[CRD_CLUSTER_RUNTIME_EXCLUSION] = "clusterruntimeexclusions",
	[CRD_SIGNATURE_SET] = "signaturesets",
};

static const char *const paths[CRD_KINDS] = {
	[CRD_RUNTIME_POLICY] = API "/runtimepolicies",
	[CRD_CLUSTER_RUNTIME_POLICY] = API "/clusterruntimepolicies",
	[CRD_RUNTIME_EXCLUSION] = API "/runtimeexclusions",
	[CRD_CLUSTER_RUNTIME_EXCLUSION] = API "/clusterruntimeexclusions",
	[CRD_SIGNATURE_SET] = API "/signaturesets",
};

static const char *const condition_names[KUBE_CONDITIONS] = {"Accepted", "Programmed"};

const char *kube_kind_path(enum crd_kind kind)
{
	return paths[kind];
}

int kube_object_path(const char *key, char *out, size_t size)
{
	struct pw_slice rest = pw_slice_str(key), kind, first;
	size_t i = 0;
	int n;

	out[0] = '\0';
	if (!pw_slice_cut(&rest, '/', &kind) || !pw_slice_cut(&rest, '/', &first))
		return -EINVAL;
	while (i < CRD_KINDS && !pw_slice_eq_str(kind, crd_kind_name((enum crd_kind)i)))
		i++;
	if (i == CRD_KINDS)
		return -EINVAL;
	if (rest.len > 0)
		n = snprintf(out, size, API "/namespaces/%.*s/%s/%.*s", PW_SLICE_ARG(first),
			plurals[i], PW_SLICE_ARG(rest));
	else
		n = snprintf(out, size, API "/%s/%.*s", plurals[i], PW_SLICE_ARG(first));
	return n < (int)size ? 0 : -ENAMETOOLONG;
}

static void copy(char *out, size_t size, struct pw_slice text)
{
	(void)snprintf(out, size, "%.*s", PW_SLICE_ARG(text));
}

static void read_condition(const struct pw_json *from, struct kube_condition_text *to)
{
	to->holds = pw_slice_eq_str(pw_json_text(pw_json_get(from, "status")), "True");
	to->generation = pw_json_int(pw_json_get(from, "observedGeneration"));
	copy(to->reason, sizeof(to->reason), pw_json_text(pw_json_get(from, "reason")));
	copy(to->message, sizeof(to->message), pw_json_text(pw_json_get(from, "message")));
	copy(to->since, sizeof(to->since), pw_json_text(pw_json_get(from, "lastTransitionTime")));
}

static void read_status(const struct pw_json *status, struct kube_status *out)
{
	const struct pw_json *list = pw_json_get(status, "conditions");

	out->hits = pw_json_int(pw_json_get(status, "hits"));
	out->generation = pw_json_int(pw_json_get(status, "observedGeneration"));
	copy(out->revision, sizeof(out->revision), pw_json_text(pw_json_get(status, "revision")));
	copy(out->analyzers, sizeof(out->analyzers),
		pw_json_text(pw_json_get(status, "analyzers")));
	for (size_t i = 0; i < pw_json_size(list); i++)
		for (size_t k = 0; k < KUBE_CONDITIONS; k++)
			if (pw_slice_eq_str(pw_json_text(pw_json_get(pw_json_at(list, i), "type")),
				    condition_names[k]))
				read_condition(pw_json_at(list, i), &out->conditions[k]);
}

/* "RuntimePolicy/n/x: spec.…" -> "spec.…" */
static void set_problem(struct kube_object *o, const char *message)
{
	size_t skip = strlen(o->key);

	if (skip > 0 && strncmp(message, o->key, skip) == 0 &&
		strncmp(message + skip, ": ", 2) == 0)
		message += skip + 2;
	(void)snprintf(o->problem, sizeof(o->problem), "%s", message);
}

int kube_object_read(const struct pw_json *json, struct kube_object **ret)
{
	const struct pw_json *meta = pw_json_get(json, "metadata");
	struct kube_object *o = pw_alloc0(1, sizeof(*o));
	struct pw_err err = PW_ERR_INIT;
	int r;

	if (!o)
		return -ENOMEM;
	crd_identify(json, o->key);
	r = o->key[0] ? crd_parse(json, &o->object, &err) : -EINVAL;
	if (r == -ENOMEM || !o->key[0]) {
		free(o);
		return r;
	}
	if (r < 0)
		set_problem(o, err.msg);
	o->generation = pw_json_int(pw_json_get(meta, "generation"));
	copy(o->version, sizeof(o->version), pw_json_text(pw_json_get(meta, "resourceVersion")));
	read_status(pw_json_get(json, "status"), &o->status);
	*ret = o;
	return 0;
}

void kube_object_free(struct kube_object *o)
{
	if (!o)
		return;
	crd_object_free(o->object);
	free(o);
}

static bool is_same_condition(
	const struct kube_condition_text *a, const struct kube_condition_text *b)
{
	return a->holds == b->holds && a->generation == b->generation &&
	       strcmp(a->reason, b->reason) == 0 && strcmp(a->message, b->message) == 0;
}

bool kube_status_is_same(const struct kube_status *a, const struct kube_status *b)
{
	if (a->generation != b->generation || strcmp(a->revision, b->revision) != 0 ||
		strcmp(a->analyzers, b->analyzers) != 0)
		return false;
	for (size_t i = 0; i < KUBE_CONDITIONS; i++)
		if (!is_same_condition(&a->conditions[i], &b->conditions[i]))
			return false;
	return true;
}

static void write_condition(struct pw_buf *out, enum kube_condition which,
	const struct kube_condition_text *c, const char *now)
{
	(void)pw_buf_addf(out, "{\"type\":\"%s\",\"status\":\"%s\",\"observedGeneration\":%lld,",
		condition_names[which], c->holds ? "True" : "False", (long long)c->generation);
	(void)pw_buf_add_str(out, "\"reason\":");
	(void)pw_escape_json(out, pw_slice_str(c->reason));
	(void)pw_buf_add_str(out, ",\"message\":");
	(void)pw_escape_json(out, pw_slice_str(c->message));
	(void)pw_buf_add_str(out, ",\"lastTransitionTime\":");
	(void)pw_escape_json(out, pw_slice_str(c->since[0] ? c->since : now));
	(void)pw_buf_add_byte(out, '}');
}

int kube_status_write(const struct kube_status *status, const char *version, struct pw_buf *out)
{
	char now[PW_WALL_TEXT_SIZE];

	pw_wall_format(pw_wall_now(), now);
	(void)snprintf(now + 19, sizeof(now) - 19, "Z"); /* metav1.Time has whole seconds */
	(void)pw_buf_add_str(out, "{\"metadata\":{\"resourceVersion\":");
	(void)pw_escape_json(out, pw_slice_str(version));
	(void)pw_buf_addf(out, "},\"status\":{\"observedGeneration\":%lld,\"revision\":",
		(long long)status->generation);
	/* An empty text is refused by some servers as null; null takes the member away. */
	if (status->revision[0])
		(void)pw_escape_json(out, pw_slice_str(status->revision));
	else
		(void)pw_buf_add_str(out, "null");
	(void)pw_buf_add_str(out, ",\"analyzers\":");
	(void)pw_escape_json(out, pw_slice_str(status->analyzers));
	(void)pw_buf_add_str(out, ",\"conditions\":[");
	for (size_t i = 0; i < KUBE_CONDITIONS; i++) {
		if (i > 0)
			(void)pw_buf_add_byte(out, ',');
		write_condition(out, (enum kube_condition)i, &status->conditions[i], now);
	}
	return pw_buf_add_str(out, "]}}");
}
