/* SPDX-License-Identifier: Apache-2.0 */
#include "analyzer/template.h"

#include "common/base/alloc.h"
#include "common/base/glob.h"

#define BIT(c) (1u << (c))
#define WIDE   (BIT(TEMPLATE_WORD) | BIT(TEMPLATE_ANY))

static const char *const names[TEMPLATE_CLASSES] = {
	"<digits>", "<figures>", "<hex>", "<letters>", "<alnum>", "<word>", "<any>"};

static bool is_digit(uint8_t c)
{
	return c >= '0' && c <= '9';
}

/* Classes that hold each kind of byte. */
static uint32_t classes_of(uint8_t c)
{
	bool lower_hex = c >= 'a' && c <= 'f';
	bool letter = (c | 32) >= 'a' && (c | 32) <= 'z';

	if (is_digit(c))
		return BIT(TEMPLATE_DIGITS) | BIT(TEMPLATE_FIGURES) | BIT(TEMPLATE_HEX) |
		       BIT(TEMPLATE_ALNUM) | WIDE;
	if (letter)
		return (lower_hex ? BIT(TEMPLATE_HEX) : 0) |
		       (c == 'T' || c == 'Z' ? BIT(TEMPLATE_FIGURES) : 0) | BIT(TEMPLATE_LETTERS) |
		       BIT(TEMPLATE_ALNUM) | WIDE;
	if (c == '-' || c == '_' || c == '.')
		return BIT(TEMPLATE_FIGURES) | WIDE;
	if (c == ':' || c == '+')
		return BIT(TEMPLATE_FIGURES) | BIT(TEMPLATE_ANY);
	return c == '/' ? 0 : BIT(TEMPLATE_ANY);
}

const char *template_class_name(enum template_class c)
{
	return names[c];
}

static enum template_class narrowest(uint32_t set)
{
	for (unsigned c = 0; c < TEMPLATE_CLASSES; c++)
		if (set & BIT(c))
			return (enum template_class)c;
	return TEMPLATE_ANY;
}

enum template_class template_class_of(struct pw_slice s)
{
	uint32_t set = BIT(TEMPLATE_CLASSES) - 1;

	for (size_t i = 0; i < s.len; i++)
		set &= classes_of(s.ptr[i]);
	return narrowest(set);
}

/* Classes that hold everything this one holds. */
static uint32_t wider(enum template_class c)
{
	static const uint32_t rows[TEMPLATE_CLASSES] = {
		[TEMPLATE_DIGITS] = BIT(TEMPLATE_DIGITS) | BIT(TEMPLATE_FIGURES) |
				    BIT(TEMPLATE_HEX) | BIT(TEMPLATE_ALNUM) | WIDE,
		[TEMPLATE_FIGURES] = BIT(TEMPLATE_FIGURES) | BIT(TEMPLATE_ANY),
		[TEMPLATE_HEX] = BIT(TEMPLATE_HEX) | BIT(TEMPLATE_ALNUM) | WIDE,
		[TEMPLATE_LETTERS] = BIT(TEMPLATE_LETTERS) | BIT(TEMPLATE_ALNUM) | WIDE,
		[TEMPLATE_ALNUM] = BIT(TEMPLATE_ALNUM) | WIDE,
		[TEMPLATE_WORD] = WIDE,
		[TEMPLATE_ANY] = BIT(TEMPLATE_ANY),
	};

	return rows[c];
}

enum template_class template_widen(enum template_class a, enum template_class b)
{
	return narrowest(wider(a) & wider(b));
}

/* A variable part as it is written: "<hex>", or "<hex 8>" for exactly eight bytes. */
struct part {
	enum template_class class;
	size_t written; /* bytes of the text; 0 = there is no part */
	size_t exactly; /* bytes that it stands for; 0 = one or more */
};

static struct part part_at(struct pw_slice s, size_t at)
{
	for (unsigned c = 0; s.ptr[at] == '<' && c < TEMPLATE_CLASSES; c++) {
		struct pw_slice name = pw_slice_of(names[c], strlen(names[c]) - 1);
		size_t i = at + name.len, exactly = 0;

		if (!pw_slice_starts(pw_slice_sub(s, at, s.len), name) || i >= s.len)
			continue;
		if (s.ptr[i] == ' ')
			for (i++; i < s.len && exactly < 1000 && is_digit(s.ptr[i]); i++)
				exactly = exactly * 10 + (size_t)(s.ptr[i] - '0');
		if (i < s.len && s.ptr[i] == '>')
			return (struct part){(enum template_class)c, i + 1 - at, exactly};
	}
	return (struct part){TEMPLATE_ANY, 0, 0};
}

static bool holds_all(enum template_class c, struct pw_slice s)
{
	for (size_t i = 0; i < s.len; i++)
		if (!(classes_of(s.ptr[i]) & BIT(c)))
			return false;
	return s.len > 0;
}

static bool component_fits(struct pw_slice pattern, struct pw_slice text)
{
	for (size_t i = 0; i < pattern.len; i++) {
		struct part part = part_at(pattern, i);
		struct pw_slice head, tail, middle;

		if (part.written == 0)
			continue;
		head = pw_slice_sub(pattern, 0, i);
		tail = pw_slice_sub(pattern, i + part.written, pattern.len);
		if (text.len <= head.len + tail.len || !pw_slice_starts(text, head) ||
			!pw_slice_ends(text, tail))
			return false;
		middle = pw_slice_sub(text, head.len, text.len - tail.len);
		return (part.exactly == 0 || part.exactly == middle.len) &&
		       holds_all(part.class, middle);
	}
	return pw_slice_eq(pattern, text);
}

bool template_fits(struct pw_slice pattern, struct pw_slice text)
{
	struct pw_slice one, two;
	bool more_one, more_two;

	do {
		more_one = pw_slice_cut(&pattern, '/', &one);
		more_two = pw_slice_cut(&text, '/', &two);
		if (more_one != more_two)
			return false;
		if (more_one && !component_fits(one, two))
			return false;
	} while (more_one);
	return true;
}

bool template_is_pattern(struct pw_slice text)
{
	for (size_t i = 0; i < text.len; i++)
		if (part_at(text, i).written > 0)
			return true;
	return false;
}

bool template_is_sensitive(struct pw_slice object)
{
	static const char *const globs[] = {"/etc/shadow*", "/etc/gshadow*", "/etc/passwd*",
		"/etc/group*", "/etc/sudoers*", "/etc/ld.so.preload", "/etc/cron*", "/root/.ssh*",
		"/home/*/.ssh*", "*/authorized_keys*", "*/id_rsa*", "*/id_ed25519*", "*/.aws/*",
		"*/.kube/*", "*/.docker/config.json", "*/serviceaccount/*token*", "/proc/*/mem",
		"/proc/*/environ", "/proc/*/maps", "/proc/kcore", "/proc/sys/*",
		"/proc/sysrq-trigger", "/sys/kernel/*", "/dev/kmsg", "/dev/mem", "/dev/kmem",
		"/dev/port", "/dev/sd*", "/dev/nvme*", "/dev/vd*", "*docker.sock",
		"*containerd.sock", "*crio.sock", "*podman.sock"};

	for (size_t i = 0; i < PW_COUNT(globs); i++)
		if (pw_glob(pw_slice_str(globs[i]), object))
			return true;
	return false;
}
