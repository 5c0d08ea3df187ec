/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The program: settings, logging, HTTP pages, the engine; runs until SIGTERM or SIGINT.
 * Thread: main.
 */

/* Returns the exit code of the process. */
int analyzer_main(int argc, char **argv);
