// SPDX-License-Identifier: Apache-2.0
#include "policysync/profile_json.h"
#include "common/base/base64.h"
#include "common/base/clock.h"
#include "common/base/compress.h"
#include "common/base/escape.h"
#include "common/base/hash.h"
#include "common/wire/arena_alloc.h"
#include "policysync/crd_json.h"
#include <errno.h>
#include <stdio.h>

#define LEVEL      9
#define NAME_CHARS ((size_t)200)

static struct pw_slice bytes_of(ProtobufCBinaryData b)
{
	return pw_slice_of(b.data, b.len);
}

/* namespace, kind, workload, container */
static int split_group(struct pw_slice group, struct pw_slice parts[4])
{
	struct pw_slice rest = group;

	for (size_t i = 0; i < 4; i++)
		if (!pw_slice_cut(&rest, '/', &parts[i]) || parts[i].len == 0)
			return -EINVAL;
	return rest.len == 0 ? 0 : -EINVAL;
}

/* Lower-case kind, workload and container, and a hash: "a-b/c" and "a/b-c" are two. */
int profile_json_name(struct pw_slice group, char namespace[64], char name[254])
{
	struct pw_slice parts[4] = {{NULL, 0}};
	size_t len = 0;

	if (split_group(group, parts) < 0 || parts[0].len > 63)
		return -EINVAL;
	(void)snprintf(namespace, 64, "%.*s", PW_SLICE_ARG(parts[0]));
	for (size_t i = 1; i < 4; i++)
		for (size_t k = 0; k <= parts[i].len && len < NAME_CHARS; k++) {
			uint8_t c = k < parts[i].len ? parts[i].ptr[k] : '-';

			if (c >= 'A' && c <= 'Z')
				c |= 0x20;
			name[len++] =
				(c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ? (char)c : '-';
		}
	if (name[0] == '-')
		name[0] = 'x';
	(void)snprintf(name + len, 254 - len, "%s%08x", name[len - 1] == '-' ? "" : "-",
		(unsigned)pw_hash64(group, 0));
	return 0;
}

/* --- writing
 * -------------------------------------------------------------------------------------- */

static int add_data(const Podward__V1__ProfileDelta *whole, struct pw_buf *out)
{
	size_t size = podward__v1__profile_delta__get_packed_size(whole);
	pw_auto_buf packed;
	pw_auto_buf small;
	size_t before = out->len;
	int r;

	pw_buf_init(&packed, PROFILE_JSON_UNPACKED);
	pw_buf_init(&small, PROFILE_JSON_UNPACKED + (1 << 20));
	if (!pw_buf_extend(&packed, size))
		return pw_buf_error(&packed);
	(void)podward__v1__profile_delta__pack(whole, packed.data);
	r = pw_zstd_pack(pw_buf_slice(&packed), LEVEL, &small);
	if (r == 0 && small.len / 3 * 4 > PROFILE_JSON_DATA)
		return -E2BIG;
	if (r == 0)
		r = pw_base64_encode(pw_buf_slice(&small), out);
	return r == 0 && out->len - before > PROFILE_JSON_DATA ? -E2BIG : r;
}

static void add_shown(const Podward__V1__ProfileDelta *whole, const char *key, unsigned dimensions,
	struct pw_buf *out)
{
	size_t count = 0;

	(void)pw_buf_addf(out, ",\"%s\":[", key);
	for (size_t i = 0; i < whole->n_behaviours && count < PROFILE_JSON_SHOWN; i++) {
		const Podward__V1__Behaviour *b = whole->behaviours[i];

		if (!(dimensions >> b->dimension & 1) || b->object.len > 1024)
			continue;
		if (count++ > 0)
			(void)pw_buf_add_byte(out, ',');
		(void)pw_escape_json(out, bytes_of(b->object));
	}
	(void)pw_buf_add_byte(out, ']');
}

#define DIMENSION(x) (1u << PODWARD__V1__DIMENSION__DIMENSION_##x)

static void add_people(const Podward__V1__ProfileDelta *whole, struct pw_buf *out)
{
	add_shown(whole, "exec", DIMENSION(EXEC), out);
	add_shown(whole, "fileRead", DIMENSION(FILE_READ), out);
	add_shown(whole, "fileWrite", DIMENSION(FILE_WRITE) | DIMENSION(FILE_CREATE), out);
	add_shown(whole, "egress", DIMENSION(NET_EGRESS), out);
}

/* A reset counts more than any number of phases. */
static unsigned long long epoch_of(const Podward__V1__ProfileState *s)
{
	uint64_t resets = s->epoch < 1000000 ? s->epoch : 1000000;
	uint64_t generation = s->generation < 1000000 ? s->generation : 999999;

	return (unsigned long long)(resets * 1000000 + generation);
}

static void add_head(const Podward__V1__ProfileDelta *whole, const char *version,
	const struct pw_slice parts[4], struct pw_buf *out)
{
	struct pw_slice group = bytes_of(whole->state->pod_group);
	char namespace[64], name[254];

	(void)profile_json_name(group, namespace, name);
	(void)pw_buf_addf(out,
		"{\"apiVersion\":\"" CRD_API_VERSION "\",\"kind\":\"RuntimeProfile\",\"metadata\":{"
		"\"namespace\":\"%s\",\"name\":\"%s\"",
		namespace, name);
	if (version[0])
		(void)pw_buf_addf(out, ",\"resourceVersion\":\"%s\"", version);
	(void)pw_buf_add_str(out, "},\"spec\":{\"podGroup\":");
	(void)pw_escape_json(out, group);
	(void)pw_buf_add_str(out, ",\"workloadRef\":{\"kind\":");
	(void)pw_escape_json(out, parts[1]);
	(void)pw_buf_add_str(out, ",\"name\":");
	(void)pw_escape_json(out, parts[2]);
	(void)pw_buf_add_str(out, ",\"container\":");
	(void)pw_escape_json(out, parts[3]);
	(void)pw_buf_addf(out, "},\"epoch\":%llu,\"entries\":%zu", epoch_of(whole->state),
		whole->n_behaviours);
}

int profile_json_write(const Podward__V1__ProfileDelta *whole, const char *version,
	size_t generalised, struct pw_buf *out, struct pw_err *err)
{
	struct pw_slice parts[4] = {{NULL, 0}};
	int r = whole->state ? split_group(bytes_of(whole->state->pod_group), parts) : -EINVAL;

	if (r < 0)
		return pw_err_set(err, r, "pod group: expected namespace/Kind/name/container");
	add_head(whole, version, parts, out);
	(void)pw_buf_addf(out, ",\"generalised\":%zu", generalised);
	add_people(whole, out);
	(void)pw_buf_add_str(out, ",\"exact\":{\"encoding\":\"zstd+protobuf\",\"data\":\"");
	r = add_data(whole, out);
	if (r == -E2BIG)
		return pw_err_set(err, r, "%zu behaviours take more than %zu bytes",
			whole->n_behaviours, PROFILE_JSON_DATA);
	(void)pw_buf_add_str(out, "\"}}}");
	if (r == 0)
		r = pw_buf_error(out);
	return r < 0 ? pw_err_set(err, r, "%s", pw_err_text(r)) : 0;
}

static void add_time(struct pw_buf *out, const char *key, int64_t ns)
{
	char text[PW_WALL_TEXT_SIZE];

	if (ns <= 0)
		return;
	pw_wall_format((struct pw_wall){ns}, text);
	(void)pw_buf_addf(out, ",\"%s\":\"%.19sZ\"", key, text);
}

int profile_json_status(const Podward__V1__ProfileState *s, bool too_large, struct pw_buf *out)
{
	static const char *const phases[] = {
		"Pending", "Learning", "Protected", "Frozen", "Relearning", "Learning"};
	size_t phase = (size_t)s->phase < PW_COUNT(phases) ? (size_t)s->phase : 0;

	(void)pw_buf_addf(out,
		"{\"status\":{\"phase\":\"%s\",\"epoch\":%llu,\"lostEvents\":%llu,"
		"\"completeness\":\"%s\"",
		too_large ? "TooLarge" : phases[phase], epoch_of(s),
		(unsigned long long)s->lost_events, s->partial_reason.len > 0 ? "Partial" : "Full");
	add_time(out, "learningStarted", s->learning_started_wall_ns);
	if (s->learning_started_wall_ns > 0)
		add_time(out, "learningEnds",
			s->learning_started_wall_ns + (int64_t)s->learning_duration_ns);
	return pw_buf_add_str(out, "}}");
}

/* --- reading
 * -------------------------------------------------------------------------------------- */

static int check_whole(
	const Podward__V1__ProfileDelta *whole, struct pw_slice group, struct pw_err *err)
{
	if (!whole->state || !pw_slice_eq(bytes_of(whole->state->pod_group), group))
		return pw_err_set(err, -EINVAL, "spec.exact.data: is of another pod group");
	for (size_t i = 0; i < whole->n_behaviours; i++)
		if (whole->behaviours[i]->object.len > 8192 ||
			whole->behaviours[i]->actor.len > 8192)
			return pw_err_set(err, -EINVAL, "spec.exact.data: a behaviour is too long");
	return 0;
}

static int unpack(struct pw_slice data, struct pw_arena *a, Podward__V1__ProfileDelta **ret,
	struct pw_err *err)
{
	pw_auto_buf small;
	pw_auto_buf packed;
	int r;

	pw_buf_init(&small, PROFILE_JSON_DATA);
	pw_buf_init(&packed, PROFILE_JSON_UNPACKED);
	r = pw_base64_decode(data, &small);
	if (r == 0)
		r = pw_zstd_unpack(pw_buf_slice(&small), &packed);
	if (r < 0)
		return pw_err_set(err, r, "spec.exact.data: %s", pw_err_text(r));
	*ret = (Podward__V1__ProfileDelta *)pw_unpack(
		a, &podward__v1__profile_delta__descriptor, pw_buf_slice(&packed));
	return *ret ? 0 : pw_err_set(err, -EBADMSG, "spec.exact.data: not a profile");
}

int profile_json_read(const struct pw_json *object, struct pw_arena *a,
	Podward__V1__ProfileDelta **ret, struct pw_err *err)
{
	const struct pw_json *meta = pw_json_get(object, "metadata");
	const struct pw_json *spec = pw_json_get(object, "spec");
	const struct pw_json *exact = pw_json_get(spec, "exact");
	struct pw_slice group = pw_json_text(pw_json_get(spec, "podGroup"));
	struct pw_slice parts[4] = {{NULL, 0}};
	Podward__V1__ProfileDelta *whole = NULL;
	int r;

	if (split_group(group, parts) < 0)
		return pw_err_set(
			err, -EINVAL, "spec.podGroup: expected namespace/Kind/name/container");
	if (!pw_slice_eq(parts[0], pw_json_text(pw_json_get(meta, "namespace"))))
		return pw_err_set(err, -EPERM, "spec.podGroup: is of another namespace");
	if (!pw_slice_eq_str(pw_json_text(pw_json_get(exact, "encoding")), "zstd+protobuf"))
		return pw_err_set(err, -EINVAL, "spec.exact: has nothing to be read");
	r = unpack(pw_json_text(pw_json_get(exact, "data")), a, &whole, err);
	if (r == 0)
		r = check_whole(whole, group, err);
	if (r == 0)
		*ret = whole;
	return r;
}
