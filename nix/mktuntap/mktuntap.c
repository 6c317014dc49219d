/* SPDX-License-Identifier: MIT */
/*
 * mktuntap: opens a TUN or TAP interface on a descriptor, then becomes another program.
 *
 *     mktuntap (-n|-p) [-v] [-B] [-P] [-E] [-i ifr_name] fd prog...
 *
 *     mktuntap -pvB -i ql-shopping 3 crosvm run --net tap-fd=3 ...
 *
 *   -n  a TUN interface (IP packets); -p  a TAP interface (Ethernet frames). Exactly one of them.
 *   -v  IFF_VNET_HDR: each frame has a virtio header in front, which vmms want.
 *   -B  O_NONBLOCK: reads and writes don't wait.
 *   -P  without IFF_NO_PI: each packet has four bytes of flags and protocol in front.
 *   -E  leaves TUNTAP_NAME in the environment as it is. Else it is the interface's real name.
 *   -i  its name, at most 15 bytes; the kernel puts the first free number for %d. Else tun%d or tap%d.
 *
 * The interface goes when the last copy of `fd` is closed; one that somebody has made persistent before (ip tuntap add)
 * is taken as it is and stays, and needs no rights where it is the caller's. What was open on `fd` is replaced. All other
 * descriptors pass on unchanged, so that several interfaces are several mktuntap in a row, and none is added.
 *
 * Ends as prog does, else: 64 usage, 77 not permitted, 71 what else the system refuses (as in sysexits.h); 126 prog can't
 * be executed, 127 there is none (as in shells). Each has one line on stderr, also where `fd` is 2.
 *
 * Sources. The command line, what each option means, TUNTAP_NAME, the default names, and that statuses are those of
 * sysexits(3): the manual page mktuntap(8) of the program of this name at spectrum-os.org/git/mktuntap, whose options
 * are these; the code here is our own. 126 and 127: POSIX, env and sh. TUNSETIFF, its flags, and 0 as the end of a name
 * of IFNAMSIZ bytes: linux/if_tun.h, Documentation/networking/tuntap.rst and drivers/net/tun.c of Linux, where its
 * errors are, too: EPERM a new one without CAP_NET_ADMIN over the network namespace, or another's; EBUSY open elsewhere;
 * EINVAL of another kind, with several queues, or not a name. Mode 0666 of /dev/net/tun: systemd's 50-udev-default.rules.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sysexits.h>
#include <unistd.h>

enum { NOT_EXECUTABLE = 126, NOT_FOUND = 127 };

struct order {
	short flags;
	int open_flags;
	bool keeps_environment;
	/* May have a %d. */
	const char *name;
	int fd;
	/* Ends with NULL. */
	char **prog;
};

static const char device[] = "/dev/net/tun";
static const char usage[] =
	"usage: mktuntap (-n|-p) [-v] [-B] [-P] [-E] [-i ifr_name] fd prog...\n"
	"Opens a TUN (-n) or TAP (-p) interface on descriptor fd, sets TUNTAP_NAME to its name, and executes prog.\n"
	"  -v  with virtio headers (IFF_VNET_HDR)\n"
	"  -B  non-blocking (O_NONBLOCK)\n"
	"  -P  with packet information (without IFF_NO_PI)\n"
	"  -E  leaves TUNTAP_NAME as it is\n"
	"  -i  the interface's name, of at most 15 bytes; %d stands for the first free number (default: tun%d or tap%d)\n";

/* Where errors are told: stderr, or a copy of it that prog doesn't get. */
static int report = STDERR_FILENO;

#define fail(status, ...) (dprintf(report, "mktuntap: " __VA_ARGS__), exit(status))
#define refuse(...) fail(EX_USAGE, __VA_ARGS__)

/* Digits only, up to INT_MAX: neither a sign, nor space, nor what strtol() would leave at the end. */
static int parse_fd(const char *text)
{
	int fd = 0;
	const char *at = text;

	for (; *at >= '0' && *at <= '9'; at++) {
		int digit = *at - '0';
		if (fd > (INT_MAX - digit) / 10)
			break;
		fd = fd * 10 + digit;
	}
	if (at == text || *at != '\0')
		refuse("\"%s\" is not a descriptor. Try: a number from 0 to %d\n", text, INT_MAX);
	return fd;
}

static const char *parse_name(const char *text)
{
	size_t length = strlen(text);

	if (length == 0)
		refuse("the name of -i is empty. Try: without -i, for tun%%d or tap%%d\n");
	if (length >= IFNAMSIZ)
		refuse("the name %s has %zu bytes. Try: one of %d at most\n", text, length, IFNAMSIZ - 1);
	return text;
}

static _Noreturn void show_usage(void)
{
	if (fputs(usage, stdout) == EOF || fflush(stdout) == EOF)
		fail(EX_OSERR, "the usage can't be written: %s. Try: with another stdout\n", strerror(errno));
	exit(EX_OK);
}

static struct order parse(int argc, char **argv)
{
	static const struct option longs[] = { { "help", no_argument, NULL, 'h' }, { NULL, 0, NULL, 0 } };
	struct order order = { .flags = IFF_NO_PI, .open_flags = O_RDWR | O_CLOEXEC };
	int option;

	opterr = 0;
	/* "+": what follows fd is prog's. ":": a missing name is told from an unknown option. */
	while ((option = getopt_long(argc, argv, "+:npvBPEi:h", longs, NULL)) != -1) {
		switch (option) {
		case 'n': order.flags |= IFF_TUN; break;
		case 'p': order.flags |= IFF_TAP; break;
		case 'v': order.flags |= IFF_VNET_HDR; break;
		case 'B': order.open_flags |= O_NONBLOCK; break;
		case 'P': order.flags &= ~IFF_NO_PI; break;
		case 'E': order.keeps_environment = true; break;
		case 'i': order.name = parse_name(optarg); break;
		case 'h': show_usage();
		case ':': refuse("-i needs a name. Try: -i tap%%d\n");
		default:
			if (optopt == 0)
				refuse("there is no option %s. Try: mktuntap --help\n", argv[optind - 1]);
			refuse("there is no option -%c. Try: mktuntap --help\n", optopt);
		}
	}
	switch (order.flags & (IFF_TUN | IFF_TAP)) {
	case 0: refuse("neither -n nor -p was given. Try: -n for a TUN, -p for a TAP\n");
	case IFF_TUN | IFF_TAP: refuse("both -n and -p were given. Try: -n for a TUN, -p for a TAP\n");
	}
	if (argc - optind < 2)
		refuse("%s is missing. Try: mktuntap --help\n", argc == optind ? "fd" : "prog");
	if (order.name == NULL)
		order.name = order.flags & IFF_TAP ? "tap%d" : "tun%d";
	order.fd = parse_fd(argv[optind]);
	order.prog = argv + optind + 1;
	return order;
}

/* Before anything is opened, which may land on a 2 that is closed. Without a copy where that is so, nothing is told. */
static void keep_stderr(int fd)
{
	int copy = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);

	if (copy == fd)
		copy = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
	if (copy != -1 || errno == EBADF)
		report = copy;
}

static void open_device(const struct order *order)
{
	int tun = open(device, order->open_flags);

	if (tun == -1) {
		const char *why = strerror(errno);
		if (errno == EACCES || errno == EPERM)
			fail(EX_NOPERM, "%s can't be opened: %s. Try: as root, chmod 666 %s\n", device, why, device);
		if (errno == ENOENT || errno == ENODEV || errno == ENXIO)
			fail(EX_OSERR, "%s can't be opened: %s. Try: as root, modprobe tun\n", device, why);
		fail(EX_OSERR, "%s can't be opened: %s. Try: ls -l %s; ulimit -n\n", device, why, device);
	}
	/* dup2() to the same number would leave O_CLOEXEC set; to another, it is without. Exec closes the first one. */
	if (tun == order->fd ? fcntl(tun, F_SETFD, 0) == -1 : dup2(tun, order->fd) == -1)
		fail(EX_OSERR, "nothing can be opened on descriptor %d: %s. Try: a smaller one, or ulimit -n %lld\n",
		     order->fd, strerror(errno), order->fd + 1LL);
}

static _Noreturn void fail_interface(const struct order *order, int error)
{
	const char *kind = order->flags & IFF_TAP ? "tap" : "tun", *name = order->name;

	switch (error) {
	case EPERM:
		fail(EX_NOPERM,
		     "%s needs CAP_NET_ADMIN, or an interface that is yours. Try: "
		     "sudo ip tuntap add dev '%s' mode %s user \"$(id -un)\"\n",
		     name, strchr(name, '%') == NULL ? name : "NAME", kind);
	case EBUSY:
		fail(EX_OSERR, "%s is open elsewhere. Try: another -i, or to find who has it: "
		     "sudo grep -w '%s' /proc/[0-9]*/fdinfo/*\n", name, name);
	case EINVAL:
		fail(EX_OSERR, "%s is not a name for the kernel, or not a %s with one queue. Try: ip -d link show dev '%s'\n",
		     name, kind, name);
	case ENOTTY:
		fail(EX_OSERR, "%s is not the tun device. Try: as root, rm %s && mknod -m 666 %s c 10 200\n", device, device,
		     device);
	default:
		fail(EX_OSERR, "%s can't be made: %s. Try: another -i, or look at: dmesg\n", name, strerror(error));
	}
}

int main(int argc, char **argv)
{
	struct order order = parse(argc, argv);
	struct ifreq request = { .ifr_flags = order.flags };
	const char *prog = order.prog[0], *look;

	memcpy(request.ifr_name, order.name, strlen(order.name));
	keep_stderr(order.fd);
	open_device(&order);
	if (ioctl(order.fd, TUNSETIFF, &request) == -1)
		fail_interface(&order, errno);
	if (!order.keeps_environment && setenv("TUNTAP_NAME", request.ifr_name, 1) == -1)
		fail(EX_OSERR, "TUNTAP_NAME can't be set: %s. Try: with a smaller environment\n", strerror(errno));
	execvp(prog, order.prog);
	look = strchr(prog, '/') == NULL ? "command -v" : "ls -l";
	if (errno == ENOENT)
		fail(NOT_FOUND, "there is no program %s, or not its interpreter. Try: %s '%s'\n", prog, look, prog);
	/* Of a bare name also where a directory in PATH may not be searched. */
	fail(NOT_EXECUTABLE, "%s can't be executed: %s. Try: %s '%s'\n", prog, strerror(errno), look, prog);
}
