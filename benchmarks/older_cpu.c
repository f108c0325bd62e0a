/* Lets a process see a CPU without AVX-512, VNNI and AMX: see older_cpu.py. Linux, x86-64.

   The kernel is told to make CPUID fault (arch_prctl, ARCH_SET_CPUID); threads and forks inherit that
   and a new program loads this library again. The handler asks the CPU in earnest and strikes out what
   is hidden. Handlers that the program sets for SIGSEGV are called for every other fault. */
#define _GNU_SOURCE
#include <cpuid.h>
#include <dlfcn.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#define ARCH_SET_CPUID 0x1012
#define BIT(n) (1u << (n))

/* Leaf 7, subleaf 0. */
static const unsigned EBX = BIT(16) | BIT(17) | BIT(21) | BIT(26) | BIT(27) | BIT(28) | BIT(30) | BIT(31);
static const unsigned ECX = BIT(1) | BIT(6) | BIT(8) | BIT(11) | BIT(12) | BIT(14);
static const unsigned EDX = BIT(2) | BIT(3) | BIT(8) | BIT(22) | BIT(23) | BIT(24) | BIT(25);

static struct sigaction others;
static int ready;

static void answer(int number, siginfo_t *info, void *context) {
  greg_t *registers = ((ucontext_t *)context)->uc_mcontext.gregs;
  const unsigned char *code = (const unsigned char *)registers[REG_RIP];
  if (code[0] == 0x0f && code[1] == 0xa2) { /* CPUID */
    unsigned a, b, c, d, leaf = registers[REG_RAX], subleaf = registers[REG_RCX];
    syscall(SYS_arch_prctl, ARCH_SET_CPUID, 1);
    __cpuid_count(leaf, subleaf, a, b, c, d);
    syscall(SYS_arch_prctl, ARCH_SET_CPUID, 0);
    if (leaf == 7 && subleaf == 0) {
      a = 0; /* no further subleaves: AVX-VNNI and others */
      b &= ~EBX, c &= ~ECX, d &= ~EDX;
    } else if (leaf == 7) {
      a = b = c = d = 0;
    }
    registers[REG_RAX] = a, registers[REG_RBX] = b, registers[REG_RCX] = c, registers[REG_RDX] = d;
    registers[REG_RIP] += 2;
  } else if (others.sa_flags & SA_SIGINFO && others.sa_sigaction) {
    others.sa_sigaction(number, info, context);
  } else if (others.sa_handler != SIG_DFL && others.sa_handler != SIG_IGN) {
    others.sa_handler(number);
  } else {
    signal(SIGSEGV, SIG_DFL);
  }
}

int sigaction(int number, const struct sigaction *new, struct sigaction *old) {
  static int (*real)(int, const struct sigaction *, struct sigaction *);
  if (!real) real = dlsym(RTLD_NEXT, "sigaction");
  if (number != SIGSEGV || !ready) return real(number, new, old);
  if (old) *old = others;
  if (new) others = *new;
  return 0;
}

__attribute__((constructor)) static void start(void) {
  struct sigaction own;
  memset(&own, 0, sizeof own);
  own.sa_sigaction = answer;
  own.sa_flags = SA_SIGINFO | SA_NODEFER | SA_ONSTACK;
  sigaction(SIGSEGV, &own, &others);
  ready = 1;
  if (syscall(SYS_arch_prctl, ARCH_SET_CPUID, 0)) {
    perror("this CPU or kernel cannot make CPUID fault");
    _exit(98);
  }
}
