/*
 * failpoint - named places where a test can kill or freeze the process.
 *
 *     FAILPOINT("sink.committed");
 *
 * A process started with TONGBAO_FAILPOINTS="sink.committed=kill@3,outbox.sent=stop" gets SIGKILL
 * at the third passage and SIGSTOP at the first. Actions: kill, stop, abort, sleep:MS; "@N" = at
 * the N-th passage only (default 1; "@*" = each).
 *
 * Threads     From any.
 * Bounds      32 entries; a name has at most 63 bytes. A bad entry aborts: a test that nothing
 *             interrupts would pass for the wrong reason.
 * Builds      Only with TONGBAO_TESTING (Debug); elsewhere the macro is nothing.
 */
#ifndef COMMON_BASE_FAILPOINT_H
#define COMMON_BASE_FAILPOINT_H

#ifdef TONGBAO_TESTING
void failpoint_pass(const char *name);
#define FAILPOINT(name) failpoint_pass(name)
#else
#define FAILPOINT(name) ((void)0)
#endif

#endif
