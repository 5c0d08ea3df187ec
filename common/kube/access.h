/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Where the API server is and who we are there: inside a cluster from the service account's folder,
 * outside from a kubeconfig file. Understands what names a server, certificates (files or data) and
 * tokens (text or file); programs to run for a token (exec plugins) are refused, not ignored. The
 * token file is read again every minute and when the server says 401; while it cannot be read the
 * old token stays. Never logs a secret. Thread: the owner's.
 * Ceilings: 1 MiB of kubeconfig, 16 KiB of token.
 */
#include "common/base/buf.h"
#include "common/base/clock.h"
#include "common/base/err.h"

#define PW_ACCESS_FOLDER "/var/run/secrets/kubernetes.io/serviceaccount"

struct pw_access {
	char server[512];   /* "https://10.96.0.1:443", no slash at the end */
	char namespace[64]; /* ours; "default" when nothing says it */
	char ca_file[512], cert_file[512], key_file[512]; /* "" = none */
	char token_file[512];
	char authorization[16 * 1024 + 32]; /* header, "" = none */
	struct pw_mono token_read;
	int fds[3]; /* behind files that are only in memory; -1 = none */
};

/* kubeconfig NULL = the service account of this pod, in folder (NULL = PW_ACCESS_FOLDER). */
int pw_access_open(struct pw_access *a, const char *kubeconfig, const char *folder,
	struct pw_err *err) PW_MUST_CHECK;
void pw_access_close(struct pw_access *a);
/* Reads the token again when it is older than a minute. */
void pw_access_refresh(struct pw_access *a);
/* Reads it at once. True when it is another one than before. */
bool pw_access_reload(struct pw_access *a);
