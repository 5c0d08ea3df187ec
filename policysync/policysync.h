/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Composition of podward-policysync: what is built, in which order, stopped in reverse.
 *   main loop   signals, policy folder -> policy snapshot
 *   rpc loop    PolicyService (publish), NodeService (nodes), ReportService (report)
 *   keeper      database: spool, profiles
 *   kube        with --kube: instead of the folder; a thread for each watched kind, writer, lease
 *   runtime     asks container runtimes (only with --runtime-socket)
 *   one thread per output, the HTTP thread
 */
#include "policysync/settings.h"

/* Runs until SIGTERM or SIGINT. 0, or a negative errno with one line for a person. */
int policysync_run(const struct settings *settings, struct pw_err *err) PW_MUST_CHECK;
/* Whole program: settings, log, run. Returns the exit code. */
int policysync_main(int argc, char **argv);
