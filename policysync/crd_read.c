// SPDX-License-Identifier: Apache-2.0
#include "policysync/crd_read.h"
#include "common/base/escape.h"
#include "common/base/num.h"
#include <arpa/inet.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

static const char *const severities[] = {"Info", "Low", "Medium", "High", "Critical", NULL};

void crd_fail(const struct pw_json_reader *r, const char *key, int code, const char *format, ...)
{
	char text[256];
	va_list args;

	va_start(args, format);
	(void)vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	if (!key)
		(void)pw_err_set(r->err, code, "%s: %s", r->path[0] ? r->path : "document", text);
	else if (!r->path[0])
		(void)pw_err_set(r->err, code, "%s: %s", key, text);
	else
		(void)pw_err_set(r->err, code, "%s.%s: %s", r->path, key, text);
}

bool crd_failed(const struct pw_json_reader *r)
{
	return r->err && r->err->code != 0;
}

bool crd_is_object(const struct pw_json_reader *r, bool required)
{
	enum pw_json_type type = pw_json_type(r->node);

	if (r->node && type == PW_JSON_OBJECT)
		return !crd_failed(r);
	if (r->node)
		crd_fail(r, NULL, -EINVAL, "expected object, got %s", pw_json_type_name(type));
	else if (required)
		crd_fail(r, NULL, -EINVAL, "missing");
	return false;
}

size_t crd_items(const struct pw_json_reader *r, const char *key, size_t max_items,
	struct pw_json_reader *ret_array)
{
	enum pw_json_type type;

	*ret_array = pw_reader_field(r, key);
	if (!ret_array->node || crd_failed(r))
		return 0;
	type = pw_json_type(ret_array->node);
	if (type != PW_JSON_ARRAY) {
		crd_fail(ret_array, NULL, -EINVAL, "expected array, got %s",
			pw_json_type_name(type));
		return 0;
	}
	if (pw_json_size(ret_array->node) > max_items) {
		crd_fail(ret_array, NULL, -E2BIG, "%zu items, at most %zu are allowed",
			pw_json_size(ret_array->node), max_items);
		return 0;
	}
	return pw_json_size(ret_array->node);
}

static bool is_lower_alnum(uint8_t c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

static bool is_digit(uint8_t c)
{
	return c >= '0' && c <= '9';
}

static bool has_control(struct pw_slice s)
{
	for (size_t i = 0; i < s.len; i++)
		if (s.ptr[i] < 0x20 || s.ptr[i] == 0x7f)
			return true;
	return false;
}

const char *crd_check_any(struct pw_slice text)
{
	return memchr(text.ptr, 0, text.len) ? "text without NUL" : NULL;
}

const char *crd_check_line(struct pw_slice text)
{
	return pw_slice_trim(text).len > 0 && !has_control(text) ? NULL
								 : "one line of text, not blank";
}

const char *crd_check_glob(struct pw_slice text)
{
	return text.len > 0 && !has_control(text) ? NULL : "a pattern, not empty";
}

/* Labels of [a-z0-9-] divided by dots, none empty, none starting or ending in '-'. */
static bool is_dns(struct pw_slice text, bool dots)
{
	uint8_t before = '.';

	for (size_t i = 0; i < text.len; i++) {
		uint8_t c = text.ptr[i];
		bool edge = before == '.' || i + 1 == text.len || text.ptr[i + 1] == '.';

		if (c == '.' ? (!dots || before == '.')
			     : (!is_lower_alnum(c) && (c != '-' || edge)))
			return false;
		before = c;
	}
	return text.len > 0 && before != '.';
}

const char *crd_check_name(struct pw_slice text)
{
	return is_dns(text, true) ? NULL : "a name of a-z, 0-9, '-' and '.'";
}

const char *crd_check_label(struct pw_slice text)
{
	return is_dns(text, false) ? NULL : "a name of a-z, 0-9 and '-'";
}

const char *crd_check_rule_id(struct pw_slice text)
{
	return crd_check_name(text) ? "an id of a-z, 0-9, '-' and '.', such as miner.process"
				    : NULL;
}

const char *crd_check_kind(struct pw_slice text)
{
	for (size_t i = 0; i < text.len; i++) {
		uint8_t c = text.ptr[i] | 0x20;

		if (!(c >= 'a' && c <= 'z') && !(i > 0 && is_digit(text.ptr[i])))
			return "a kind such as Deployment";
	}
	return text.len > 0 ? NULL : "a kind such as Deployment";
}

/* T1496 or T1496.001 */
const char *crd_check_mitre(struct pw_slice text)
{
	bool ok = (text.len == 5 || text.len == 9) && text.ptr[0] == 'T';

	for (size_t i = 1; ok && i < text.len; i++)
		ok = i == 5 ? text.ptr[i] == '.' : is_digit(text.ptr[i]);
	return ok ? NULL : "an ATT&CK technique such as T1496.001";
}

const char *crd_check_cidr(struct pw_slice text)
{
	static const char expected[] = "a CIDR such as 10.0.0.0/8";
	uint8_t address[16];
	char host[64];
	uint64_t bits = 0;
	struct pw_slice rest = text, part;
	bool v6 = pw_slice_find_byte(text, ':') >= 0;

	if (!pw_slice_cut(&rest, '/', &part) || part.len == 0 || part.len >= sizeof(host))
		return expected;
	memcpy(host, part.ptr, part.len);
	host[part.len] = '\0';
	if (memchr(host, 0, part.len) || inet_pton(v6 ? AF_INET6 : AF_INET, host, address) != 1)
		return expected;
	return pw_num_u64(rest, v6 ? 128 : 32, &bits) == 0 ? NULL : expected;
}

void *crd_array(struct pw_arena *a, const struct pw_json_reader *r, size_t count, size_t size)
{
	void *p = pw_arena_alloc0(a, count, size);

	if (!p)
		crd_fail(r, NULL, -ENOMEM, "out of memory");
	return p;
}

static ProtobufCBinaryData copy_text(
	struct pw_arena *a, const struct pw_json_reader *r, struct pw_slice text)
{
	struct pw_slice copy = {NULL, 0};

	if (text.len == 0 || crd_failed(r))
		return (ProtobufCBinaryData){0, NULL};
	copy = pw_arena_dup(a, text);
	if (!copy.ptr)
		crd_fail(r, NULL, -ENOMEM, "out of memory");
	return (ProtobufCBinaryData){copy.ptr ? copy.len : 0, (uint8_t *)(uintptr_t)copy.ptr};
}

static ProtobufCBinaryData check_text(
	struct pw_arena *a, const struct pw_json_reader *r, const struct crd_text_rule *rule)
{
	static const ProtobufCBinaryData none = {0, NULL};
	enum pw_json_type type = pw_json_type(r->node);
	struct pw_slice text = pw_json_text(r->node);
	const char *expected;
	char shown[80];

	if (crd_failed(r))
		return none;
	if (!r->node || type != PW_JSON_TEXT) {
		crd_fail(r, NULL, -EINVAL, "expected text, got %s", pw_json_type_name(type));
		return none;
	}
	if (text.len > rule->max_len) {
		crd_fail(r, NULL, -E2BIG, "%zu bytes, at most %zu are allowed", text.len,
			rule->max_len);
		return none;
	}
	expected = rule->check(text);
	if (expected) {
		crd_fail(r, NULL, -EINVAL, "expected %s, got \"%s\"", expected,
			pw_escape_to(text, shown, sizeof(shown)));
		return none;
	}
	return copy_text(a, r, text);
}

ProtobufCBinaryData crd_text(struct pw_arena *a, const struct pw_json_reader *r, const char *key,
	const struct crd_text_rule *rule)
{
	struct pw_json_reader field = pw_reader_field(r, key);

	if (!field.node) {
		if (rule->required)
			crd_fail(&field, NULL, -EINVAL, "missing");
		return (ProtobufCBinaryData){0, NULL};
	}
	return check_text(a, &field, rule);
}

struct crd_texts crd_text_list(struct pw_arena *a, const struct pw_json_reader *r, const char *key,
	size_t max_items, const struct crd_text_rule *rule)
{
	struct crd_texts list = {0, NULL};
	struct pw_json_reader array;
	size_t count = crd_items(r, key, max_items, &array);

	if (count == 0) {
		if (rule->required)
			crd_fail(r, key, -EINVAL, array.node ? "must not be empty" : "missing");
		return list;
	}
	list.items = crd_array(a, r, count, sizeof(*list.items));
	for (size_t i = 0; list.items && i < count; i++) {
		struct pw_json_reader item = pw_reader_item(&array, i);

		list.items[list.count++] = check_text(a, &item, rule);
	}
	return list;
}

Podward__V1__Severity crd_severity(const struct pw_json_reader *r, const char *key)
{
	return (Podward__V1__Severity)(pw_read_choice(r, key, severities, -1) + 1);
}

/* Days since 1970-01-01 of a civil date. Source: H. Hinnant, "chrono-compatible low-level date
 * algorithms". */
static int64_t days_from_civil(int64_t year, int64_t month, int64_t day)
{
	int64_t y = month <= 2 ? year - 1 : year;
	int64_t era = y / 400, of_era = y - era * 400;
	int64_t of_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;

	return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

static bool two_digits(struct pw_slice s, size_t at, uint64_t min, uint64_t max, int64_t *ret)
{
	uint64_t value = 0;

	if (pw_num_u64(pw_slice_sub(s, at, at + 2), max, &value) < 0 || value < min)
		return false;
	*ret = (int64_t)value;
	return true;
}

/* 2026-12-31T23:59:59Z and nothing else: one form is enough for an expiry. */
static bool parse_time(struct pw_slice s, int64_t *ret)
{
	static const char form[] = "dddd-dd-ddTdd:dd:ddZ";
	static const uint8_t month_days[] = {31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	int64_t month = 0, day = 0, hour = 0, minute = 0, second = 0;
	uint64_t year = 0;

	if (s.len != sizeof(form) - 1)
		return false;
	for (size_t i = 0; i < s.len; i++)
		if (form[i] == 'd' ? !is_digit(s.ptr[i]) : s.ptr[i] != (uint8_t)form[i])
			return false;
	if (pw_num_u64(pw_slice_sub(s, 0, 4), 2200, &year) < 0 || year < 1970)
		return false;
	if (!two_digits(s, 5, 1, 12, &month) || !two_digits(s, 8, 1, 31, &day) ||
		day > month_days[month - 1])
		return false;
	if (!two_digits(s, 11, 0, 23, &hour) || !two_digits(s, 14, 0, 59, &minute) ||
		!two_digits(s, 17, 0, 59, &second))
		return false;
	*ret = ((days_from_civil((int64_t)year, month, day) * 24 + hour) * 60 + minute) * 60 +
	       second;
	*ret *= (int64_t)1000000000;
	return true;
}

int64_t crd_time(const struct pw_json_reader *r, const char *key)
{
	struct pw_json_reader field = pw_reader_field(r, key);
	int64_t ns = 0;

	if (!field.node || crd_failed(r))
		return 0;
	if (pw_json_type(field.node) != PW_JSON_TEXT || !parse_time(pw_json_text(field.node), &ns))
		crd_fail(&field, NULL, -EINVAL, "expected a time such as 2026-12-31T23:59:59Z");
	return ns;
}

Podward__V1__Selector *crd_selector(
	struct pw_arena *a, const struct pw_json_reader *spec, bool namespaced)
{
	static const char *const known[] = {
		"namespaces", "kinds", "names", "containers", "images", NULL};
	static const struct crd_text_rule glob = {512, crd_check_glob, false};
	static const struct crd_text_rule kind = {63, crd_check_kind, false};
	struct pw_json_reader r = pw_reader_field(spec, "selector");
	Podward__V1__Selector *s;
	struct crd_texts list;

	if (!crd_is_object(&r, false))
		return NULL;
	pw_read_only(&r, known);
	if (namespaced && pw_json_get(r.node, "namespaces"))
		crd_fail(&r, "namespaces", -EINVAL,
			"not allowed here: the object's own namespace counts");
	s = crd_array(a, &r, 1, sizeof(*s));
	if (!s)
		return NULL;
	podward__v1__selector__init(s);
	list = crd_text_list(a, &r, "namespaces", 64, &glob);
	s->n_namespaces = list.count, s->namespaces = list.items;
	list = crd_text_list(a, &r, "kinds", 64, &kind);
	s->n_kinds = list.count, s->kinds = list.items;
	list = crd_text_list(a, &r, "names", 256, &glob);
	s->n_names = list.count, s->names = list.items;
	list = crd_text_list(a, &r, "containers", 64, &glob);
	s->n_containers = list.count, s->containers = list.items;
	list = crd_text_list(a, &r, "images", 64, &glob);
	s->n_images = list.count, s->images = list.items;
	return s;
}

static const char *const dimensions[] = {"exec", "file.read", "file.write", "file.create",
	"net.egress", "file.delete", "file.rename", "file.link", "file.mode", "net.listen", "dns",
	"syscall", "capability", "privilege", "exec.args"};

Podward__V1__Dimension crd_dimension(const struct pw_json_reader *r)
{
	for (size_t n = 0; n < PW_COUNT(dimensions); n++)
		if (pw_slice_eq_str(pw_json_text(r->node), dimensions[n]))
			return (Podward__V1__Dimension)(n + 1);
	crd_fail(r, NULL, -EINVAL,
		"expected exec, file.read, file.write, file.create, net.egress or "
		"another dimension of docs/profiles.md");
	return PODWARD__V1__DIMENSION__DIMENSION_UNSPECIFIED;
}

const char *crd_dimension_name(Podward__V1__Dimension dimension)
{
	size_t n = (size_t)dimension - 1;

	return n < PW_COUNT(dimensions) ? dimensions[n] : NULL;
}
