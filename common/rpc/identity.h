/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Who the holder of a certificate is: one name in it of the form
 *   URI  spiffe://TRUST-DOMAIN/ROLE[/NAME]
 *   DNS  [NAME.]ROLE.TRUST-DOMAIN
 * with ROLE collector (NAME = its node), analyzer (NAME = its replica name) or policysync. All
 * other names in it say nothing; two that say different things make the holder nobody. Thread: any.
 * Ceiling: names of 253 bytes.
 */
#include "common/base/slice.h"

enum pw_role {
	PW_ROLE_NONE = 0,
	PW_ROLE_COLLECTOR = 1,
	PW_ROLE_ANALYZER = 2,
	PW_ROLE_POLICYSYNC = 4,
};

struct pw_identity {
	enum pw_role role;
	char name[254]; /* "" = the role alone */
};

const char *pw_role_name(enum pw_role role); /* "collector"; "nobody" for PW_ROLE_NONE */
/* "collector node-1" for messages. Returns out. */
const char *pw_identity_text(const struct pw_identity *id, char *out, size_t size);

/*
 * Takes one name of a certificate into *id (zeroed before the first). A name that is not of the
 * trust domain or names no role changes nothing: 0. -EBADMSG: a role with an impossible name.
 * -EEXIST: it says something else than the ones before.
 */
int pw_identity_take_uri(struct pw_identity *id, const char *domain, struct pw_slice uri);
int pw_identity_take_dns(struct pw_identity *id, const char *domain, struct pw_slice dns);
/* May a peer like this be taken for wanted? Empty wanted name = any name. */
bool pw_identity_is(const struct pw_identity *id, enum pw_role role, const char *name);
/* Letters, digits, dots, dashes; 1 to 253 bytes. */
bool pw_identity_domain_is_valid(const char *domain);
