/* A probe: what a process in a container can see, open, mount, signal and call.
 *
 * Each line is KIND NAME VERDICT, where the verdict is `yes`, or `no` with the errno.
 * Nothing is written, killed or left mounted outside of the container. Compared between
 * engines by tests/end_to_end/test_probe.py; static, so that it runs in any root.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

static void say(const char *kind, const char *name, long result)
{
	if (result >= 0)
		printf("%s %s yes\n", kind, name);
	else
		printf("%s %s no %s\n", kind, name, strerrorname_np(errno));
	fflush(stdout);
}

/* Whether a file can be opened, and for reading whether there is anything in it. */
static void try_open(const char *path)
{
	char byte;
	int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	long got = fd;
	if (fd >= 0) {
		got = read(fd, &byte, 1);
		if (got == 0) {
			errno = ENODATA;
			got = -1;
		}
		close(fd);
	}
	say("read", path, got);
	fd = open(path, O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	say("write", path, fd);
	if (fd >= 0)
		close(fd);
}

static void walk(const char *path, int depth)
{
	DIR *dir = opendir(path);
	if (!dir)
		return;
	struct dirent *entry;
	while ((entry = readdir(dir))) {
		char below[4096];
		struct stat status;
		if (entry->d_name[0] == '.')
			continue;
		/* Processes, and what only shows this one, differ from run to run. */
		if (!strcmp(path, "/proc") && (strspn(entry->d_name, "0123456789") ||
		    !strcmp(entry->d_name, "self") || !strcmp(entry->d_name, "thread-self")))
			continue;
		snprintf(below, sizeof(below), "%s%s%s", path,
			 path[1] ? "/" : "", entry->d_name);
		if (lstat(below, &status))
			continue;
		if (S_ISDIR(status.st_mode)) {
			if (depth > 0)
				walk(below, depth - 1);
		} else if (!S_ISLNK(status.st_mode)) {
			/* Reading these waits for an event, or takes it from others. */
			if (!strstr(below, "kmsg") && !strstr(below, "/tracing/"))
				try_open(below);
		}
	}
	closedir(dir);
}

/* In a child, since some of these change the process. */
#define TRY(kind, name, call) do { \
	fflush(stdout); \
	pid_t child = fork(); \
	if (child == 0) { \
		errno = 0; \
		say(kind, name, (long)(call)); \
		_exit(0); \
	} \
	int status; \
	waitpid(child, &status, 0); \
	if (WIFSIGNALED(status)) { \
		errno = EPERM; \
		say(kind, name, -1); \
	} \
} while (0)

static void try_mounts(void)
{
	mkdir("/tmp", 0777);
	mkdir("/tmp/m", 0777);
	TRY("mount", "tmpfs", mount("x", "/tmp/m", "tmpfs", 0, ""));
	TRY("mount", "proc", mount("x", "/tmp/m", "proc", 0, ""));
	TRY("mount", "sysfs", mount("x", "/tmp/m", "sysfs", 0, ""));
	TRY("mount", "cgroup2", mount("x", "/tmp/m", "cgroup2", 0, ""));
	TRY("mount", "bind", mount("/proc", "/tmp/m", "", MS_BIND, ""));
	TRY("mount", "remount-proc-sys", mount("", "/proc/sys", "", MS_REMOUNT | MS_BIND, ""));
	TRY("mount", "remount-sys", mount("", "/sys", "", MS_REMOUNT | MS_BIND, ""));
	TRY("mount", "umount-mask", umount2("/proc/kcore", MNT_DETACH));
	TRY("mount", "umount-sys", umount2("/sys", MNT_DETACH));
	TRY("mount", "fsopen", syscall(SYS_fsopen, "tmpfs", 0));
	TRY("mount", "open_tree", syscall(SYS_open_tree, AT_FDCWD, "/", 1));
	TRY("mount", "pivot_root", syscall(SYS_pivot_root, "/", "/"));
	TRY("mount", "move_mount", syscall(SYS_move_mount, AT_FDCWD, "/", AT_FDCWD, "/tmp/m", 0));
	TRY("mount", "unshare-mount", unshare(CLONE_NEWNS));
}

static long node(const char *path, mode_t type, int major, int minor)
{
	unlink(path);
	if (mknod(path, type | 0666, makedev(major, minor)))
		return -1;
	return open(path, O_RDWR | O_NONBLOCK | O_NOCTTY);
}

static void try_devices(void)
{
	static const struct { const char *name; mode_t type; int major, minor; } nodes[] = {
		{"mem", S_IFCHR, 1, 1}, {"port", S_IFCHR, 1, 4}, {"kmsg", S_IFCHR, 1, 11},
		{"fuse", S_IFCHR, 10, 229}, {"kvm", S_IFCHR, 10, 232}, {"tun", S_IFCHR, 10, 200},
		{"loop-control", S_IFCHR, 10, 237}, {"vda", S_IFBLK, 254, 0},
		{"sda", S_IFBLK, 8, 0}, {"loop0", S_IFBLK, 7, 0}, {"tty0", S_IFCHR, 4, 0},
		{"console", S_IFCHR, 5, 1}, {"rtc", S_IFCHR, 254, 0}, {"hpet", S_IFCHR, 10, 228},
		{"vsock", S_IFCHR, 10, 121}, {"snapshot", S_IFCHR, 10, 231},
		{"null", S_IFCHR, 1, 3}, {"zero", S_IFCHR, 1, 5},
	};
	char path[64];
	for (unsigned i = 0; i < sizeof(nodes) / sizeof(nodes[0]); i++) {
		snprintf(path, sizeof(path), "/tmp/%s", nodes[i].name);
		TRY("device", nodes[i].name,
		    node(path, nodes[i].type, nodes[i].major, nodes[i].minor));
	}
}

static void try_calls(void)
{
	static const struct { const char *name; int flag; } spaces[] = {
		{"user", CLONE_NEWUSER}, {"mount", CLONE_NEWNS}, {"pid", CLONE_NEWPID},
		{"uts", CLONE_NEWUTS}, {"ipc", CLONE_NEWIPC}, {"net", CLONE_NEWNET},
		{"cgroup", CLONE_NEWCGROUP}, {"time", 0x80},
	};
	for (unsigned i = 0; i < sizeof(spaces) / sizeof(spaces[0]); i++)
		TRY("unshare", spaces[i].name, unshare(spaces[i].flag));
	TRY("call", "clone-newuser", syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, 0, 0, 0, 0));
	TRY("call", "setns", setns(open("/proc/1/ns/net", O_RDONLY), 0));
	TRY("call", "keyctl", syscall(SYS_keyctl, 0, -3, 0));
	TRY("call", "add_key", syscall(SYS_add_key, "user", "x", "y", 1, -3));
	TRY("call", "request_key", syscall(SYS_request_key, "user", "x", 0, -3));
	TRY("call", "bpf", syscall(SYS_bpf, 0, 0, 0));
	TRY("call", "perf_event_open", syscall(SYS_perf_event_open, 0, 0, 0, 0, 0));
	TRY("call", "userfaultfd", syscall(SYS_userfaultfd, 1));
	TRY("call", "io_uring_setup", syscall(SYS_io_uring_setup, 1, 0));
	TRY("call", "kexec_load", syscall(SYS_kexec_load, 0, 0, 0, 0));
	TRY("call", "init_module", syscall(SYS_init_module, 0, 0, ""));
	TRY("call", "finit_module", syscall(SYS_finit_module, -1, "", 0));
	TRY("call", "delete_module", syscall(SYS_delete_module, "nosuchmodule", 0));
	TRY("call", "reboot", syscall(SYS_reboot, 0, 0, 0, 0));
	TRY("call", "swapon", syscall(SYS_swapon, "/nothere", 0));
	TRY("call", "swapoff", syscall(SYS_swapoff, "/nothere"));
	TRY("call", "acct", syscall(SYS_acct, "/nothere"));
	TRY("call", "quotactl", syscall(SYS_quotactl, 0, 0, 0, 0));
	TRY("call", "syslog", syscall(SYS_syslog, 10, 0, 0));
	TRY("call", "vhangup", syscall(SYS_vhangup));
	TRY("call", "sethostname", sethostname("x", 1));
	TRY("call", "setdomainname", setdomainname("x", 1));
	TRY("call", "settimeofday", syscall(SYS_settimeofday, 0, 0));
	TRY("call", "clock_settime", syscall(SYS_clock_settime, 99, 0));
	TRY("call", "open_by_handle_at", syscall(SYS_open_by_handle_at, -1, 0, 0));
	TRY("call", "lookup_dcookie", syscall(SYS_lookup_dcookie, 0, 0, 0));
	TRY("call", "kcmp", syscall(SYS_kcmp, getpid(), getpid(), 0, 0, 0));
	TRY("call", "process_vm_readv", syscall(SYS_process_vm_readv, getpid(), 0, 0, 0, 0, 0));
	TRY("call", "ptrace-parent", syscall(SYS_ptrace, 0x4206, getppid(), 0, 0));
	TRY("call", "fanotify_init", syscall(SYS_fanotify_init, 0, 0));
	TRY("call", "name_to_handle_at", syscall(SYS_name_to_handle_at, -1, "", 0, 0, 0));
	TRY("call", "personality-noRandom", syscall(SYS_personality, 0x0040000));
	TRY("call", "set_mempolicy", syscall(SYS_set_mempolicy, 0, 0, 0));
	TRY("call", "move_pages", syscall(SYS_move_pages, 0, 0, 0, 0, 0, 0));
	TRY("call", "mbind", syscall(SYS_mbind, 0, 0, 0, 0, 0, 0));
	TRY("call", "chroot", chroot("/tmp"));
	TRY("call", "setpriority", syscall(SYS_setpriority, 0, 0, -5));
	TRY("call", "sched_fifo", ({ struct sched_param p = {1}; sched_setscheduler(0, SCHED_FIFO, &p); }));
#ifdef __x86_64__
	TRY("call", "iopl", syscall(SYS_iopl, 3));
	TRY("call", "ioperm", syscall(SYS_ioperm, 0x80, 1, 1));
	TRY("call", "modify_ldt", syscall(SYS_modify_ldt, 0, 0, 0));
	TRY("call", "x32-getpid", syscall(0x40000000 + SYS_getpid));
#endif
	static const struct { const char *name; int family, type, protocol; } sockets[] = {
		{"vsock", 40, SOCK_STREAM, 0}, {"vsock-64", 40, SOCK_STREAM, 0},
		{"alg", 38, SOCK_SEQPACKET, 0}, {"packet", 17, SOCK_RAW, 0},
		{"raw", AF_INET, SOCK_RAW, 1}, {"audit", AF_NETLINK, SOCK_RAW, 9},
		{"route", AF_NETLINK, SOCK_RAW, 0}, {"nfnetlink", AF_NETLINK, SOCK_RAW, 12},
		{"bluetooth", 31, SOCK_RAW, 1}, {"can", 29, SOCK_RAW, 1},
	};
	for (unsigned i = 0; i < sizeof(sockets) / sizeof(sockets[0]); i++) {
		long family = sockets[i].family;
		if (strstr(sockets[i].name, "-64"))
			family |= 1L << 32;
		TRY("socket", sockets[i].name,
		    syscall(SYS_socket, family, sockets[i].type, sockets[i].protocol));
	}
}

static void try_processes(void)
{
	char name[32];
	for (int pid = 1; pid < 100000; pid++)
		if (pid != getpid() && kill(pid, 0) == 0) {
			snprintf(name, sizeof(name), "%d", pid);
			say("signal", name, 0);
		}
	for (int number = 0; number < 64; number++) {
		int has = prctl(PR_CAPBSET_READ, number);
		if (has == 1) {
			snprintf(name, sizeof(name), "%d", number);
			say("capability", name, 0);
		}
	}
	/* Descriptors that lead somewhere. */
	for (int fd = 3; fd < 1024; fd++)
		if (fcntl(fd, F_GETFD) >= 0) {
			snprintf(name, sizeof(name), "%d", fd);
			say("descriptor", name, 0);
		}
	static const char *const own[] = {"exe", "root", "cwd", "maps", "environ", "mem"};
	for (unsigned i = 0; i < sizeof(own) / sizeof(own[0]); i++) {
		snprintf(name, sizeof(name), "/proc/1/%s", own[i]);
		try_open(name);
	}
}

int main(void)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	try_processes();
	walk("/proc", 6);
	walk("/sys", 3);
	walk("/dev", 2);
	try_devices();
	try_calls();
	try_mounts();
	return 0;
}
