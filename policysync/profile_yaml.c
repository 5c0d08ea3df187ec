// SPDX-License-Identifier: Apache-2.0
#include "policysync/profile_yaml.h"
#include "common/base/base64.h"
#include "common/base/escape.h"
#include "common/base/hash.h"
#include "common/web/json.h"
#include "common/wire/arena_alloc.h"
#include "policysync/crd_json.h"
#include "policysync/crd_read.h"
#include "policysync/profile_merge.h"
#include "policysync/profile_store.h"
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#define TEXT_MAX    8192
#define STATE_BYTES ((size_t)1 << 20)
#define FLAG(x)     ((uint32_t)PODWARD__V1__BEHAVIOUR_FLAG__BEHAVIOUR_FLAG_##x)
/* Rows beside the accepted one of the same behaviour: their key is another. */
#define BESIDE (FLAG(CANDIDATE) | FLAG(PENDING) | FLAG(OUTSIDE) | FLAG(GRAVE))

/* Bits of BehaviourFlag, in order. */
static const char *const flag_names[] = {
	"startup", "steady", "candidate", "removed", "template", "pending", "outside", "grave"};

static struct pw_slice bytes_of(ProtobufCBinaryData b)
{
	return pw_slice_of(b.data, b.len);
}

/* As profile.proto says: dimension, actor, NUL, object. */
static uint64_t key_of(const Podward__V1__Behaviour *b)
{
	uint8_t text[2 * TEXT_MAX + 2];
	size_t len = 0;

	if (b->actor.len > TEXT_MAX || b->object.len > TEXT_MAX)
		return 0;
	text[len++] = (uint8_t)b->dimension;
	if (b->actor.len > 0)
		memcpy(text + len, b->actor.data, b->actor.len);
	len += b->actor.len;
	text[len++] = 0;
	if (b->object.len > 0)
		memcpy(text + len, b->object.data, b->object.len);
	return pw_hash64(pw_slice_of(text, len + b->object.len), 0);
}

/* --- writing
 * -------------------------------------------------------------------------------------- */

/* What YAML takes between quotes as it is: no control bytes, of Latin-1 neither, no byte order
 * mark, no non-characters. */
static bool is_text(struct pw_slice s)
{
	for (size_t i = 0; i < s.len; i++) {
		uint8_t next = i + 1 < s.len ? s.ptr[i + 1] : 0;

		if (s.ptr[i] < 0x20 || s.ptr[i] == 0x7f || (s.ptr[i] == 0xc2 && next < 0xa0) ||
			(s.ptr[i] == 0xef && (next == 0xbf || next == 0xbb)))
			return false;
	}
	return pw_utf8_valid(s);
}

/* ", object: \"/etc/x\"", or in base64 when it is no text. */
static void add_text(struct pw_buf *out, const char *key, ProtobufCBinaryData value)
{
	struct pw_slice s = bytes_of(value);

	if (s.len == 0)
		return;
	(void)pw_buf_addf(out, ", %s%s: ", key, is_text(s) ? "" : "Base64");
	if (is_text(s)) {
		(void)pw_escape_json(out, s);
		return;
	}
	(void)pw_buf_add_byte(out, '"');
	(void)pw_base64_encode(s, out);
	(void)pw_buf_add_byte(out, '"');
}

static void add_flags(struct pw_buf *out, uint32_t flags)
{
	const char *comma = "";

	if (flags == FLAG(STEADY))
		return;
	(void)pw_buf_add_str(out, ", seen: [");
	for (size_t i = 0; i < PW_COUNT(flag_names); i++) {
		if (!(flags & 1u << i))
			continue;
		(void)pw_buf_addf(out, "%s%s", comma, flag_names[i]);
		comma = ", ";
	}
	(void)pw_buf_add_byte(out, ']');
}

static void add_behaviour(struct pw_buf *out, const Podward__V1__Behaviour *b)
{
	(void)pw_buf_addf(out, "  - {dimension: %s", crd_dimension_name(b->dimension));
	add_text(out, "actor", b->actor);
	add_text(out, "object", b->object);
	add_flags(out, b->flags);
	if (b->first_wall_ns != 0)
		(void)pw_buf_addf(out, ", first: \"%" PRId64 "\"", b->first_wall_ns);
	if (b->n_containers > 0) {
		(void)pw_buf_add_str(out, ", containers: [");
		for (size_t i = 0; i < b->n_containers; i++)
			(void)pw_buf_addf(
				out, "%s\"%08" PRIx32 "\"", i ? ", " : "", b->containers[i]);
		(void)pw_buf_add_byte(out, ']');
	}
	if (b->n_versions > 0) {
		(void)pw_buf_add_str(out, ", versions: [");
		for (size_t i = 0; i < b->n_versions; i++)
			(void)pw_buf_addf(
				out, "%s\"%016" PRIx64 "\"", i ? ", " : "", b->versions[i]);
		(void)pw_buf_add_byte(out, ']');
	}
	if (b->names > 0)
		(void)pw_buf_addf(out, ", names: %" PRIu32, b->names);
	if (b->seen_in > 0)
		(void)pw_buf_addf(out, ", seenIn: %" PRIu32, b->seen_in);
	if (b->key != key_of(b))
		(void)pw_buf_addf(out, ", key: \"%016" PRIx64 "\"", b->key);
	(void)pw_buf_add_str(out, "}\n");
}

static int by_text(const void *x, const void *y)
{
	const Podward__V1__Behaviour *a = *(Podward__V1__Behaviour *const *)x;
	const Podward__V1__Behaviour *b = *(Podward__V1__Behaviour *const *)y;
	int r;

	if (a->dimension != b->dimension)
		return a->dimension < b->dimension ? -1 : 1;
	r = pw_slice_cmp(bytes_of(a->actor), bytes_of(b->actor));
	if (r == 0)
		r = pw_slice_cmp(bytes_of(a->object), bytes_of(b->object));
	if (r != 0)
		return r;
	return a->key < b->key ? -1 : a->key > b->key;
}

static int add_state(struct pw_buf *out, const Podward__V1__ProfileState *s)
{
	size_t size = podward__v1__profile_state__get_packed_size(s);
	pw_auto_buf packed;

	pw_buf_init(&packed, STATE_BYTES);
	if (!pw_buf_extend(&packed, size))
		return pw_buf_error(&packed);
	(void)podward__v1__profile_state__pack(s, packed.data);
	(void)pw_buf_add_str(out, "  state: \"");
	(void)pw_base64_encode(pw_buf_slice(&packed), out);
	return pw_buf_add_str(out, "\"\n");
}

int profile_yaml_write(
	const Podward__V1__ProfileDelta *whole, struct pw_buf *out, struct pw_err *err)
{
	size_t count = whole->n_behaviours;
	pw_auto_free Podward__V1__Behaviour **sorted = pw_alloc0(count + 1, sizeof(*sorted));
	int r = sorted && whole->state ? 0 : -ENOMEM;

	if (r < 0)
		return pw_err_set(err, r, "out of memory");
	for (size_t i = 0; i < count; i++)
		sorted[i] = whole->behaviours[i];
	qsort(sorted, count, sizeof(*sorted), by_text);
	(void)pw_buf_add_str(out, "apiVersion: " CRD_API_VERSION "\nkind: RuntimeProfile\nspec:\n"
				  "  podGroup: ");
	(void)pw_escape_json(out, bytes_of(whole->state->pod_group));
	(void)pw_buf_add_byte(out, '\n');
	r = add_state(out, whole->state);
	(void)pw_buf_add_str(out, count ? "  behaviours:\n" : "  behaviours: []\n");
	for (size_t i = 0; r == 0 && i < count; i++) {
		if (!crd_dimension_name(sorted[i]->dimension))
			return pw_err_set(err, -EINVAL,
				"behaviours: dimension %d is not known here",
				(int)sorted[i]->dimension);
		add_behaviour(out, sorted[i]);
		r = pw_buf_error(out);
	}
	return r < 0 ? pw_err_set(err, r, "%s", pw_err_text(r)) : 0;
}

/* --- reading
 * -------------------------------------------------------------------------------------- */

static ProtobufCBinaryData copy(
	struct pw_arena *a, struct pw_slice s, const struct pw_json_reader *r)
{
	struct pw_slice kept = pw_arena_dup(a, s);

	if (s.len > 0 && !kept.ptr)
		crd_fail(r, NULL, -ENOMEM, "out of memory");
	return (ProtobufCBinaryData){kept.ptr ? kept.len : 0, (uint8_t *)(uintptr_t)kept.ptr};
}

static ProtobufCBinaryData decode(
	struct pw_arena *a, const struct pw_json_reader *r, const char *key, size_t limit)
{
	ProtobufCBinaryData none = {0, NULL}, value;
	struct pw_slice text = pw_read_text(r, key, false, limit / 3 * 4 + 8);
	pw_auto_buf bytes;
	int e;

	pw_buf_init(&bytes, limit);
	if (text.len == 0 || crd_failed(r))
		return none;
	e = pw_base64_decode(text, &bytes);
	if (e < 0) {
		crd_fail(r, key, e == -ENOMEM ? e : -EINVAL, "expected base64 of at most %zu bytes",
			limit);
		return none;
	}
	value = copy(a, pw_buf_slice(&bytes), r);
	return value;
}

/* key as text, or keyBase64; both together are refused. */
static ProtobufCBinaryData read_bytes(
	struct pw_arena *a, const struct pw_json_reader *r, const char *key, bool required)
{
	struct pw_slice text = pw_read_text(r, key, false, TEXT_MAX);
	char coded[32];
	ProtobufCBinaryData bytes;

	(void)snprintf(coded, sizeof(coded), "%sBase64", key);
	bytes = decode(a, r, coded, TEXT_MAX);
	if (text.len > 0 && bytes.len > 0)
		crd_fail(r, coded, -EINVAL, "beside %s", key);
	if (required && text.len == 0 && bytes.len == 0)
		crd_fail(r, key, -EINVAL, "missing");
	return text.len > 0 ? copy(a, text, r) : bytes;
}

/* Exactly so many hexadecimal digits. */
static uint64_t read_hex(const struct pw_json_reader *r, const char *key, size_t digits)
{
	struct pw_slice s = pw_read_text(r, key, true, digits);
	uint64_t value = 0;

	for (size_t i = 0; i < s.len; i++) {
		uint8_t c = s.ptr[i];
		unsigned digit = 16;

		if (c >= '0' && c <= '9')
			digit = c - '0';
		else if (c >= 'a' && c <= 'f')
			digit = c - 'a' + 10u;
		if (digit > 15 || s.len != digits)
			break;
		value = value << 4 | digit;
		if (i + 1 == digits)
			return value;
	}
	crd_fail(r, key, -EINVAL, "expected %zu hexadecimal digits", digits);
	return 0;
}

static uint32_t read_flags(const struct pw_json_reader *r)
{
	struct pw_json_reader list;
	size_t count = pw_read_array(r, "seen", PW_COUNT(flag_names), &list);
	uint32_t flags = 0;

	if (pw_json_type(pw_json_get(r->node, "seen")) == PW_JSON_NULL)
		return FLAG(STEADY);
	for (size_t i = 0; i < count; i++) {
		struct pw_json_reader item = pw_reader_item(&list, i);
		size_t n = 0;

		while (n < PW_COUNT(flag_names) &&
			!pw_slice_eq_str(pw_json_text(item.node), flag_names[n]))
			n++;
		if (n == PW_COUNT(flag_names))
			crd_fail(&item, NULL, -EINVAL,
				"expected startup, steady, removed or template");
		flags |= 1u << n % 32;
	}
	return flags;
}

/* ns since 1970 as text: a number of YAML may be no more exact than 53 bits elsewhere. */
static int64_t read_first(const struct pw_json_reader *r)
{
	struct pw_slice s = pw_read_text(r, "first", false, 20);
	bool minus = s.len > 0 && s.ptr[0] == '-';
	int64_t value = 0;

	for (size_t i = minus; i < s.len; i++) {
		int digit = s.ptr[i] - '0';

		if (digit < 0 || digit > 9 || __builtin_mul_overflow(value, (int64_t)10, &value) ||
			__builtin_sub_overflow(value, (int64_t)digit, &value)) {
			crd_fail(r, "first", -EINVAL, "expected nanoseconds since 1970");
			return 0;
		}
	}
	if (!minus && value == INT64_MIN)
		crd_fail(r, "first", -EINVAL, "expected nanoseconds since 1970");
	return minus || value == INT64_MIN ? value : -value;
}

static void read_hashes(
	struct pw_arena *a, const struct pw_json_reader *r, Podward__V1__Behaviour *b)
{
	struct pw_json_reader list;
	size_t count = pw_read_array(r, "containers", PROFILE_CONTAINERS, &list);

	b->containers = crd_array(a, r, count + 1, sizeof(*b->containers));
	for (size_t i = 0; b->containers && i < count; i++) {
		struct pw_json_reader item = pw_reader_item(&list, i);

		b->containers[b->n_containers++] = (uint32_t)read_hex(&item, NULL, 8);
	}
	count = pw_read_array(r, "versions", PROFILE_VERSIONS, &list);
	b->versions = crd_array(a, r, count + 1, sizeof(*b->versions));
	for (size_t i = 0; b->versions && i < count; i++) {
		struct pw_json_reader item = pw_reader_item(&list, i);

		b->versions[b->n_versions++] = read_hex(&item, NULL, 16);
	}
}

static void read_key(const struct pw_json_reader *r, Podward__V1__Behaviour *b)
{
	b->key = key_of(b);
	if (pw_json_type(pw_json_get(r->node, "key")) == PW_JSON_NULL)
		return;
	if (!(b->flags & BESIDE))
		crd_fail(r, "key", -EINVAL,
			"only candidates and what is pending have one of their own");
	b->key = read_hex(r, "key", 16);
}

static Podward__V1__Behaviour *read_behaviour(struct pw_arena *a, const struct pw_json_reader *r)
{
	static const char *const known[] = {"dimension", "actor", "actorBase64", "object",
		"objectBase64", "seen", "first", "containers", "versions", "names", "seenIn", "key",
		NULL};
	Podward__V1__Behaviour *b = crd_array(a, r, 1, sizeof(*b));
	struct pw_json_reader dimension = pw_reader_field(r, "dimension");

	if (!b)
		return NULL;
	podward__v1__behaviour__init(b);
	pw_read_only(r, known);
	if (!dimension.node)
		crd_fail(r, "dimension", -EINVAL, "missing");
	else
		b->dimension = crd_dimension(&dimension);
	b->actor = read_bytes(a, r, "actor", false);
	b->object = read_bytes(a, r, "object", true);
	b->flags = read_flags(r);
	b->first_wall_ns = read_first(r);
	read_hashes(a, r, b);
	b->names = (uint32_t)pw_read_int(r, "names", 0, UINT32_MAX, 0);
	b->seen_in = (uint32_t)pw_read_int(r, "seenIn", 0, UINT32_MAX, 0);
	read_key(r, b);
	return b;
}

/* Without one: a profile that a person wrote is in force at once. */
static Podward__V1__ProfileState *read_state(struct pw_arena *a, const struct pw_json_reader *r)
{
	struct pw_slice group = pw_read_text(r, "podGroup", true, 1024);
	ProtobufCBinaryData packed = decode(a, r, "state", STATE_BYTES);
	Podward__V1__ProfileState *s;

	if (packed.len == 0) {
		s = crd_array(a, r, 1, sizeof(*s));
		if (!s)
			return NULL;
		podward__v1__profile_state__init(s);
		s->generation = s->serial = 1;
		s->phase = PODWARD__V1__PROFILE_PHASE__PROFILE_PHASE_PROTECTED;
		s->pod_group = copy(a, group, r);
		return s;
	}
	s = (Podward__V1__ProfileState *)pw_unpack(
		a, &podward__v1__profile_state__descriptor, bytes_of(packed));
	if (!s) /* or there is no memory, which is not told apart */
		crd_fail(r, "state", -EINVAL, "not the state of a profile");
	else if (!pw_slice_eq(bytes_of(s->pod_group), group))
		crd_fail(r, "state", -EINVAL, "is of another pod group; left out it is made anew");
	return s;
}

static int read_document(const struct pw_json *doc, struct pw_arena *a,
	Podward__V1__ProfileDelta **ret, struct pw_err *err)
{
	static const char *const known[] = {"podGroup", "state", "behaviours", NULL};
	Podward__V1__ProfileDelta *whole = pw_arena_alloc0(a, 1, sizeof(*whole));
	struct pw_json_reader root, spec, list;
	size_t count;

	if (!whole)
		return pw_err_set(err, -ENOMEM, "out of memory");
	podward__v1__profile_delta__init(whole);
	pw_reader_init(&root, doc, err);
	if (!pw_slice_eq_str(pw_read_text(&root, "kind", true, 64), "RuntimeProfile"))
		crd_fail(&root, "kind", -EINVAL, "expected RuntimeProfile");
	spec = pw_reader_field(&root, "spec");
	if (!crd_is_object(&spec, true))
		return err->code;
	pw_read_only(&spec, known);
	whole->state = read_state(a, &spec);
	count = pw_read_array(&spec, "behaviours", PROFILE_ENTRIES, &list);
	whole->behaviours = crd_array(a, &spec, count + 1, sizeof(*whole->behaviours));
	for (size_t i = 0; whole->behaviours && i < count && err->code == 0; i++) {
		struct pw_json_reader item = pw_reader_item(&list, i);

		whole->behaviours[whole->n_behaviours++] = read_behaviour(a, &item);
	}
	if (err->code == 0)
		*ret = whole;
	return err->code;
}

int profile_yaml_read(struct pw_slice text, struct pw_arena *a, Podward__V1__ProfileDelta **ret,
	struct pw_err *err)
{
	struct pw_json **docs = NULL;
	struct pw_err own = PW_ERR_INIT;
	size_t count = 0;
	int r = pw_yaml_parse_large(text, PROFILE_YAML_BYTES, &docs, &count, &own);

	if (r == 0 && count != 1)
		r = pw_err_set(&own, -EINVAL, "expected one document, got %zu", count);
	if (r == 0)
		r = read_document(docs[0], a, ret, &own);
	pw_yaml_docs_free(docs, count);
	return r < 0 ? pw_err_set(err, r, "%s", own.msg) : 0;
}
