/* SPDX-License-Identifier: Apache-2.0 */
#include "lab/rules.h"

#include "common/base/escape.h"
#include "common/web/json.h"
#include "common/wire/arena_alloc.h"
#include "lab/files.h"
#include "policysync/crd_json.h"
#include "policysync/defaults.h"
#include "policysync/falco_read.h"

#include <errno.h>
#include <stdio.h>

#define FILE_BYTES  (1u << 20)
#define ARENA_BYTES (128u << 20)
#define SETS_LIMIT  256u

struct loading {
	struct pw_arena *arena;
	Podward__V1__SignatureSet *sets[SETS_LIMIT];
	size_t count;
	struct pw_err *err;
};

static int no_memory(struct loading *l)
{
	return pw_err_set(l->err, -ENOMEM, "out of memory");
}

static int add_falco(struct loading *l, struct pw_slice text)
{
	Podward__V1__SignatureSet *set = pw_arena_alloc0(l->arena, 1, sizeof(*set));

	if (!set)
		return no_memory(l);
	podward__v1__signature_set__init(set);
	set->name = (ProtobufCBinaryData){5, (uint8_t *)"falco"};
	l->sets[l->count++] = set;
	return falco_read(l->arena, text, set, l->err);
}

static int add_document(struct loading *l, const struct pw_json *doc)
{
	pw_cleanup(crd_object_freep) struct crd_object *object = NULL;
	struct pw_slice packed;
	int r = crd_parse(doc, &object, l->err);

	if (r < 0)
		return r;
	if (object->kind != CRD_SIGNATURE_SET)
		return pw_err_set(l->err, -EINVAL, "%s is no SignatureSet", object->key);
	packed = pw_arena_dup(l->arena, object->packed);
	if (!packed.ptr)
		return no_memory(l);
	l->sets[l->count] = (Podward__V1__SignatureSet *)pw_unpack(
		l->arena, &podward__v1__signature_set__descriptor, packed);
	if (!l->sets[l->count])
		return no_memory(l);
	l->count++;
	return 0;
}

static int add_text(struct loading *l, struct pw_slice text)
{
	struct pw_json **docs = NULL;
	size_t count = 0;
	int r = pw_yaml_parse(text, &docs, &count, l->err);

	if (r < 0)
		return r;
	if (count > 0 && pw_json_type(docs[0]) == PW_JSON_ARRAY)
		r = add_falco(l, text);
	else
		for (size_t i = 0; r == 0 && i < count; i++)
			r = l->count < SETS_LIMIT
				    ? add_document(l, docs[i])
				    : pw_err_set(l->err, -E2BIG, "more than %u sets", SETS_LIMIT);
	pw_yaml_docs_free(docs, count);
	return r;
}

static int add_file(struct loading *l, const char *path)
{
	pw_auto_buf text;
	int r;

	pw_buf_init(&text, FILE_BYTES);
	r = lab_file_read(path, &text, l->err);
	if (r == 0) {
		r = add_text(l, pw_buf_slice(&text));
		if (r < 0)
			return pw_err_wrap(l->err, r, "%s", path);
	}
	return r;
}

/* The last of the embedded files is the signature set. */
static int add_embedded(struct loading *l)
{
	return add_text(l, defaults_files[defaults_file_count - 1].text);
}

static int compile(struct loading *l, struct policy **ret)
{
	Podward__V1__PolicySnapshot m = PODWARD__V1__POLICY_SNAPSHOT__INIT;
	Podward__V1__Policy policy = PODWARD__V1__POLICY__INIT, *policies[] = {&policy};
	Podward__V1__ProfileSettings off = PODWARD__V1__PROFILE_SETTINGS__INIT;
	pw_auto_free uint8_t *bytes = NULL;
	size_t size;

	off.present = true;
	policy.name = (ProtobufCBinaryData){3, (uint8_t *)"lab"};
	policy.tier = PODWARD__V1__POLICY_TIER__POLICY_TIER_DEFAULT;
	policy.mode = PODWARD__V1__POLICY_MODE__POLICY_MODE_ENFORCE;
	policy.profile = &off;
	m.serial = 1;
	m.revision = (ProtobufCBinaryData){3, (uint8_t *)"lab"};
	m.policies = policies;
	m.n_policies = 1;
	m.signature_sets = l->sets;
	m.n_signature_sets = l->count;
	size = protobuf_c_message_get_packed_size(&m.base);
	bytes = pw_alloc0(size + 1, 1);
	if (!bytes)
		return no_memory(l);
	(void)protobuf_c_message_pack(&m.base, bytes);
	return policy_compile(pw_slice_of(bytes, size), ret, l->err);
}

int lab_rules_load(const char *const *files, size_t count, struct policy **ret, struct pw_err *err)
{
	struct loading l = {.err = err};
	int r;

	if (count > LAB_FILES)
		return pw_err_set(err, -E2BIG, "more than %d files", LAB_FILES);
	r = pw_arena_new(1 << 20, ARENA_BYTES, &l.arena);
	if (r < 0)
		return no_memory(&l);
	if (count == 0)
		r = add_embedded(&l);
	for (size_t i = 0; r == 0 && i < count; i++)
		r = strcmp(files[i], LAB_EMBEDDED) == 0 ? add_embedded(&l) : add_file(&l, files[i]);
	if (r == 0)
		r = compile(&l, ret);
	pw_arena_free(l.arena);
	return r;
}

void lab_rules_print_problems(const struct policy *p, struct pw_buf *out)
{
	for (uint32_t i = 0; i < p->problems.count; i++) {
		const struct problem *x = &p->problems.items[i];

		/* Messages have a caret under their place: the lines of the text stay lines. */
		(void)pw_escape(out, x->object, 300);
		(void)pw_buf_add_byte(out, ' ');
		(void)pw_escape(out, x->field, 300);
		(void)pw_buf_add_str(out, ": ");
		(void)pw_buf_add_slice(out, x->message);
		(void)pw_buf_add_byte(out, '\n');
	}
	if (p->problems.dropped)
		(void)pw_buf_addf(out, "… and %u more\n", p->problems.dropped);
}
