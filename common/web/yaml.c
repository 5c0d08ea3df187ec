/* SPDX-License-Identifier: Apache-2.0 */
/*
 * YAML 1.2 (core schema) from libyaml's events. Everything that makes YAML larger than its text or
 * different from JSON is refused: aliases, tags, merge keys, keys that are not scalars.
 */
#include "common/web/json_build.h"
#include "common/web/yaml_scalar.h"

#include "common/base/escape.h"

#include <errno.h>
#include <yaml.h>

#define DOCS_MAX 4096

struct frame {
	struct pw_json *node; /* array or object under construction */
	char *key;            /* object: the key that waits for its value */
	yaml_mark_t key_at;
};

struct loader {
	yaml_parser_t parser;
	yaml_event_t event;
	struct pw_slice text;
	struct frame stack[JSON_DEPTH_MAX];
	size_t depth;
	struct pw_json *root; /* of the document that is being read, once complete */
	struct pw_json **docs;
	size_t doc_count, doc_cap;
	struct pw_err *err;
};

static int refuse(struct loader *l, yaml_mark_t at, const char *why)
{
	return pw_err_set(
		l->err, -EINVAL, "YAML line %zu, column %zu: %s", at.line + 1, at.column + 1, why);
}

static int out_of_memory(struct loader *l)
{
	return pw_err_set(l->err, -ENOMEM, "YAML: out of memory");
}

/* Line and column of a byte; reading errors come with an offset only. */
static yaml_mark_t mark_at(struct pw_slice text, size_t offset)
{
	yaml_mark_t at = {0};

	for (size_t i = 0; i < offset && i < text.len; i++) {
		if (text.ptr[i] == '\n') {
			at.line++;
			at.column = 0;
		} else if ((text.ptr[i] & 0xc0) != 0x80) {
			at.column++;
		}
	}
	return at;
}

static int parser_failed(struct loader *l)
{
	const yaml_parser_t *p = &l->parser;
	yaml_mark_t at = p->problem_mark;
	char shown[120];

	if (p->error == YAML_MEMORY_ERROR)
		return out_of_memory(l);
	if (p->error == YAML_READER_ERROR)
		at = mark_at(l->text, p->problem_offset);
	(void)pw_escape_to(
		pw_slice_str(p->problem ? p->problem : "not YAML"), shown, sizeof(shown));
	return refuse(l, at, shown);
}

/* Puts a finished value where it belongs. Takes it over, also on failure. */
static int place(struct loader *l, struct pw_json *value)
{
	struct frame *top;
	char shown[80], why[120];
	int r;

	if (!l->depth) {
		l->root = value;
		return 0;
	}
	top = &l->stack[l->depth - 1];
	if (pw_json_type(top->node) == PW_JSON_ARRAY)
		return json_append_take(top->node, value) < 0 ? out_of_memory(l) : 0;
	r = json_set_take(top->node, top->key, value);
	if (r == -EEXIST) {
		(void)snprintf(why, sizeof(why), "key \"%s\" is there twice",
			pw_escape_to(pw_slice_str(top->key), shown, sizeof(shown)));
		r = refuse(l, top->key_at, why);
	} else if (r < 0) {
		r = out_of_memory(l);
	}
	free(top->key);
	top->key = NULL;
	return r;
}

static bool wants_key(const struct loader *l)
{
	const struct frame *top = l->depth ? &l->stack[l->depth - 1] : NULL;

	return top && !top->key && pw_json_type(top->node) == PW_JSON_OBJECT;
}

static int take_key(struct loader *l, struct pw_slice text, bool plain, yaml_mark_t at)
{
	if (plain && pw_slice_eq_str(text, "<<"))
		return refuse(l, at, "merge keys are not supported");
	if (plain && !text.len)
		return refuse(l, at, "key is missing");
	l->stack[l->depth - 1].key_at = at;
	l->stack[l->depth - 1].key = pw_memdupz(text.ptr, text.len);
	return l->stack[l->depth - 1].key ? 0 : out_of_memory(l);
}

static int on_scalar(struct loader *l)
{
	yaml_mark_t at = l->event.start_mark;
	struct pw_slice text = pw_slice_of(l->event.data.scalar.value, l->event.data.scalar.length);
	bool plain = l->event.data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
	struct pw_json *value = NULL;
	const char *why = NULL;

	if (l->event.data.scalar.anchor)
		return refuse(l, at, "anchors are not supported");
	/* A quoted scalar with the tag "!" has lost it here; what is left says so. */
	if (l->event.data.scalar.tag || (!plain && !l->event.data.scalar.quoted_implicit))
		return refuse(l, at, "tags are not supported");
	if (pw_slice_find_byte(text, 0) >= 0)
		return refuse(l, at, "text contains a NUL byte");
	if (wants_key(l))
		return take_key(l, text, plain, at);
	value = plain ? yaml_plain_value(text, &why) : json_make_text(text);
	if (why)
		return refuse(l, at, why);
	return value ? place(l, value) : out_of_memory(l);
}

static int on_open(struct loader *l, const yaml_char_t *anchor, const yaml_char_t *tag, bool array)
{
	yaml_mark_t at = l->event.start_mark;
	struct pw_json *node;

	if (anchor)
		return refuse(l, at, "anchors are not supported");
	if (tag)
		return refuse(l, at, "tags are not supported");
	if (wants_key(l))
		return refuse(l, at, "a key must be text");
	if (l->depth == JSON_DEPTH_MAX)
		return refuse(l, at, "nested deeper than 64");
	node = array ? json_make_array() : json_make_object();
	if (!node)
		return out_of_memory(l);
	l->stack[l->depth++] = (struct frame){.node = node};
	return 0;
}

static int on_close(struct loader *l)
{
	struct pw_json *node = l->stack[--l->depth].node;

	return place(l, node);
}

/* A document without content (only a separator or comments) counts as none. */
static int on_document_end(struct loader *l)
{
	struct pw_json *doc = PW_TAKE(l->root);

	if (pw_json_type(doc) == PW_JSON_NULL) {
		pw_json_free(doc);
		return 0;
	}
	if (l->doc_count == DOCS_MAX) {
		pw_json_free(doc);
		return refuse(l, l->event.start_mark, "more than 4096 documents");
	}
	if (l->doc_count == l->doc_cap) {
		size_t cap = l->doc_cap ? l->doc_cap * 2 : 4;
		struct pw_json **grown = pw_realloc(l->docs, cap, sizeof(struct pw_json *));

		if (!grown) {
			pw_json_free(doc);
			return out_of_memory(l);
		}
		l->docs = grown;
		l->doc_cap = cap;
	}
	l->docs[l->doc_count++] = doc;
	return 0;
}

static int on_event(struct loader *l)
{
	switch (l->event.type) {
	case YAML_SCALAR_EVENT:
		return on_scalar(l);
	case YAML_SEQUENCE_START_EVENT:
		return on_open(l, l->event.data.sequence_start.anchor,
			l->event.data.sequence_start.tag, true);
	case YAML_MAPPING_START_EVENT:
		return on_open(l, l->event.data.mapping_start.anchor,
			l->event.data.mapping_start.tag, false);
	case YAML_SEQUENCE_END_EVENT:
	case YAML_MAPPING_END_EVENT:
		return on_close(l);
	case YAML_ALIAS_EVENT:
		return refuse(l, l->event.start_mark, "aliases are not supported");
	case YAML_DOCUMENT_END_EVENT:
		return on_document_end(l);
	case YAML_NO_EVENT:
	case YAML_STREAM_START_EVENT:
	case YAML_STREAM_END_EVENT:
	case YAML_DOCUMENT_START_EVENT:
		return 0;
	}
	return 0;
}

static int read_stream(struct loader *l)
{
	bool end = false;
	int r = 0;

	while (r == 0 && !end) {
		if (!yaml_parser_parse(&l->parser, &l->event))
			return parser_failed(l);
		end = l->event.type == YAML_STREAM_END_EVENT;
		r = on_event(l);
		yaml_event_delete(&l->event);
	}
	return r;
}

static void loader_done(struct loader *l)
{
	while (l->depth) {
		struct frame *top = &l->stack[--l->depth];

		pw_json_free(top->node);
		free(top->key);
	}
	pw_json_free(l->root);
	pw_yaml_docs_free(l->docs, l->doc_count);
	yaml_parser_delete(&l->parser);
}

int pw_yaml_parse(
	struct pw_slice text, struct pw_json ***ret_docs, size_t *ret_count, struct pw_err *err)
{
	return pw_yaml_parse_large(text, JSON_TEXT_MAX, ret_docs, ret_count, err);
}

int pw_yaml_parse_large(struct pw_slice text, size_t limit_bytes, struct pw_json ***ret_docs,
	size_t *ret_count, struct pw_err *err)
{
	struct loader l = {.text = text, .err = err};
	int r;

	if (text.len > limit_bytes)
		return pw_err_set(err, -E2BIG, "YAML: %zu bytes, at most %zu are read", text.len,
			limit_bytes);
	if (!yaml_parser_initialize(&l.parser))
		return out_of_memory(&l);
	yaml_parser_set_encoding(&l.parser, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string(
		&l.parser, text.len ? text.ptr : (const uint8_t *)"", text.len);
	r = read_stream(&l);
	if (r == 0) {
		*ret_docs = PW_TAKE(l.docs);
		*ret_count = l.doc_count;
		l.doc_count = 0;
	}
	loader_done(&l);
	return r;
}

void pw_yaml_docs_free(struct pw_json **docs, size_t count)
{
	for (size_t i = 0; i < count; i++)
		pw_json_free(docs[i]);
	free(docs);
}

/* +1 for what opens, -1 for what closes, 0 for the rest; *ret_is_item: it could be an item. */
static int level_change(const yaml_event_t *e, bool *ret_is_item)
{
	*ret_is_item = e->type == YAML_SCALAR_EVENT || e->type == YAML_SEQUENCE_START_EVENT ||
		       e->type == YAML_MAPPING_START_EVENT || e->type == YAML_ALIAS_EVENT;
	if (e->type == YAML_SEQUENCE_START_EVENT || e->type == YAML_MAPPING_START_EVENT)
		return 1;
	return e->type == YAML_SEQUENCE_END_EVENT || e->type == YAML_MAPPING_END_EVENT ? -1 : 0;
}

size_t pw_yaml_item_lines(struct pw_slice text, uint32_t *lines, size_t max)
{
	yaml_parser_t parser;
	yaml_event_t event;
	size_t count = 0;
	int depth = 0;
	bool end = false, sequence = false, is_item;

	if (!yaml_parser_initialize(&parser))
		return 0;
	yaml_parser_set_encoding(&parser, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string(&parser, text.len ? text.ptr : (const uint8_t *)"", text.len);
	while (!end && yaml_parser_parse(&parser, &event)) {
		int change = level_change(&event, &is_item);

		end = event.type == YAML_STREAM_END_EVENT;
		if (depth == 0 && change > 0)
			sequence = event.type == YAML_SEQUENCE_START_EVENT;
		else if (depth == 1 && sequence && is_item && count < max)
			lines[count++] = (uint32_t)event.start_mark.line + 1;
		depth += change;
		yaml_event_delete(&event);
	}
	yaml_parser_delete(&parser);
	return count;
}
