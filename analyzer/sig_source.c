/* SPDX-License-Identifier: Apache-2.0 */
/* Values of sources: several for ancestors and both ends of a connection, then the transformers. */
#include "analyzer/sig_group.h"

#include "analyzer/field_get.h"
#include "common/base/base64.h"

static struct pw_slice change_case(struct field_ctx *c, struct pw_slice s, uint8_t from, uint8_t to)
{
	struct field_build b = field_build(c);

	for (size_t i = 0; i < s.len; i++) {
		uint8_t byte = s.ptr[i];

		if (byte >= from && byte < from + 26)
			byte = (uint8_t)(byte - from + to);
		field_add(&b, pw_slice_of(&byte, 1));
	}
	return field_built(&b);
}

/* False when the text is no base64. */
static bool decode_base64(struct field_ctx *c, struct pw_slice s, struct pw_slice *ret)
{
	struct field_build b = field_build(c);
	uint32_t bits = 0, have = 0;

	while (s.len > 0 && s.ptr[s.len - 1] == '=')
		s.len--;
	for (size_t i = 0; i < s.len; i++) {
		int digit = pw_base64_value(s.ptr[i]);
		uint8_t byte;

		if (digit < 0)
			return false;
		bits = (bits << 6 | (uint32_t)digit) & 0xffffffu;
		have += 6;
		if (have < 8)
			continue;
		have -= 8;
		byte = (uint8_t)(bits >> have);
		field_add(&b, pw_slice_of(&byte, 1));
	}
	*ret = field_built(&b);
	return true;
}

static bool transform(struct field_ctx *c, uint8_t which, struct field_value *v)
{
	switch (which) {
	case SIG_TOLOWER:
		v->text = change_case(c, v->text, 'A', 'a');
		return true;
	case SIG_TOUPPER:
		v->text = change_case(c, v->text, 'a', 'A');
		return true;
	case SIG_BASENAME:
		v->text = field_base_name(v->text);
		return true;
	case SIG_B64:
		return decode_base64(c, v->text, &v->text);
	default:
		v->number = (int64_t)v->text.len;
		return true;
	}
}

int sig_source_value(
	const struct sig_source *s, uint32_t round, struct field_ctx *c, struct field_value *ret)
{
	struct field_ref ref = s->ref;
	enum field_arg arg = ref.spec->arg;

	*ret = (struct field_value){.text = {NULL, 0}};
	if (arg == FIELD_ANCESTOR && ref.index < 0) {
		if (round >= FIELD_INDEX_LIMIT || !field_ancestor(c->event->process, round + 1))
			return -1;
		ref.index = (int32_t)round + 1;
	} else if (round > (arg == FIELD_SIDES)) {
		return -1;
	} else if (arg == FIELD_SIDES) {
		ref.index = (int32_t)round;
	}
	if (!ref.spec->get(c, &ref, ret))
		return 0;
	for (uint32_t i = 0; i < SIG_TRANSFORMS && s->transforms[i]; i++)
		if (!transform(c, s->transforms[i], ret))
			return 0;
	return 1;
}
