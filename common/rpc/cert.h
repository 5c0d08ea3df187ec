/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Looks at certificates before gRPC gets them: gRPC adopts whatever it is given, and junk then
 * kills every new handshake. The only file of this folder with libcrypto; trust in a peer is
 * decided by gRPC, here we only ask whether our own three files can work. Thread: any. Ceilings:
 * PW_CERT_TEXT_MAX bytes of text, 64 certificates in a file.
 */
#include "common/base/clock.h"
#include "common/base/err.h"
#include "common/rpc/identity.h"

#define PW_CERT_TEXT_MAX (256u << 10)

struct pw_cert_texts { /* PEM */
	struct pw_slice ca, cert, key;
};

struct pw_cert_facts {
	struct pw_identity identity;
	struct pw_wall not_before, not_after; /* of the leaf */
};

/*
 * All three parse to their ends, every CA may sign, the key is the certificate's, it is valid now,
 * its holder has a role in the trust domain. err says which of "CA", "certificate" and "key" and
 * why.
 */
int pw_cert_check(const struct pw_cert_texts *texts, const char *domain, struct pw_cert_facts *ret,
	struct pw_err *err) PW_MUST_CHECK;
