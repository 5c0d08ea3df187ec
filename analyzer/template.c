/* SPDX-License-Identifier: Apache-2.0 */
#include "analyzer/template.h"

#include "common/base/alloc.h"
#include "common/base/glob.h"

#define BIT(c) (1u << (c))
#define WIDE   (BIT(TEMPLATE_WORD) | BIT(TEMPLATE_ANY))

static const char *const names[TEMPLATE_CLASSES] = {
	"<digits>", "<figures>", "<hex>", "<letters>", "<alnum>", "<word>", "<any>"};

/* Classes that hold each kind of byte. */
static uint32_t classes_of(uint8_t c)
{
	bool lower_hex = c >= 'a' && c <= 'f';
	bool letter = (c | 32) >= 'a' && (c | 32) <= 'z';

	if (c >= '0' && c <= '9')
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

/* Class whose name begins at s[at]; -1 = none. */
static int class_at(struct pw_slice s, size_t at)
{
	if (s.ptr[at] != '<')
		return -1;
	for (int c = 0; c < (int)TEMPLATE_CLASSES; c++)
		if (pw_slice_starts(pw_slice_sub(s, at, s.len), pw_slice_str(names[c])))
			return c;
	return -1;
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
		int class = class_at(pattern, i);
		struct pw_slice head, tail;

		if (class < 0)
			continue;
		head = pw_slice_sub(pattern, 0, i);
		tail = pw_slice_sub(pattern, i + strlen(names[class]), pattern.len);
		return text.len > head.len + tail.len && pw_slice_starts(text, head) &&
		       pw_slice_ends(text, tail) &&
		       holds_all((enum template_class) class,
			       pw_slice_sub(text, head.len, text.len - tail.len));
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
		if (class_at(text, i) >= 0)
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
