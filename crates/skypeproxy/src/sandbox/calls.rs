//! Which system calls may be made, enforced by seccomp.
//!
//! What is listed is allowed. What has no place in any network program ends the process: whoever
//! tries it is not us. Everything else fails with EPERM, so that a C library that tries something
//! new first can fall back.

use std::collections::BTreeMap;

use libc::c_long;
use seccompiler::{
    BackendError, BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition,
    SeccompFilter, SeccompRule, apply_filter,
};

/// Calls with no condition, in the order of what they are for.
const ALLOWED: &[c_long] = &[
    // memory
    libc::SYS_brk,
    libc::SYS_madvise,
    libc::SYS_mremap,
    libc::SYS_munmap,
    // threads; clone3 is here for `FORBIDDEN` alone to decide about
    libc::SYS_clone3,
    libc::SYS_exit,
    libc::SYS_exit_group,
    libc::SYS_futex,
    libc::SYS_get_robust_list,
    libc::SYS_getpid,
    libc::SYS_gettid,
    libc::SYS_membarrier,
    libc::SYS_restart_syscall,
    libc::SYS_rseq,
    libc::SYS_sched_getaffinity,
    libc::SYS_sched_yield,
    libc::SYS_set_robust_list,
    libc::SYS_set_tid_address,
    libc::SYS_tgkill,
    // signals
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_sigaltstack,
    // time and chance
    libc::SYS_clock_getres,
    libc::SYS_clock_gettime,
    libc::SYS_clock_nanosleep,
    libc::SYS_getrandom,
    libc::SYS_gettimeofday,
    libc::SYS_nanosleep,
    // waiting
    libc::SYS_epoll_create1,
    libc::SYS_epoll_ctl,
    libc::SYS_epoll_pwait,
    libc::SYS_epoll_pwait2,
    libc::SYS_eventfd2,
    libc::SYS_ppoll,
    libc::SYS_pselect6,
    // what is open
    libc::SYS_close,
    libc::SYS_dup,
    libc::SYS_dup3,
    libc::SYS_fdatasync,
    libc::SYS_fcntl,
    libc::SYS_fstat,
    libc::SYS_lseek,
    libc::SYS_newfstatat,
    libc::SYS_pipe2,
    libc::SYS_pread64,
    libc::SYS_pwrite64,
    libc::SYS_read,
    libc::SYS_readv,
    libc::SYS_statx,
    // landlock says where: a socket of our own goes with us
    libc::SYS_unlinkat,
    libc::SYS_write,
    libc::SYS_writev,
    // sockets
    libc::SYS_accept4,
    libc::SYS_bind,
    libc::SYS_connect,
    libc::SYS_getpeername,
    libc::SYS_getsockname,
    libc::SYS_getsockopt,
    libc::SYS_listen,
    libc::SYS_recvfrom,
    libc::SYS_recvmmsg,
    libc::SYS_recvmsg,
    libc::SYS_setsockopt,
    libc::SYS_shutdown,
    libc::SYS_socketpair,
    // who we are: glibc's resolver asks
    libc::SYS_getegid,
    libc::SYS_geteuid,
    libc::SYS_getgid,
    libc::SYS_getuid,
    libc::SYS_sysinfo,
    libc::SYS_uname,
];

/// The same by their older names, which x86-64 still has.
#[cfg(target_arch = "x86_64")]
const ALLOWED_OLD: &[c_long] = &[libc::SYS_epoll_wait, libc::SYS_poll, libc::SYS_time];
#[cfg(not(target_arch = "x86_64"))]
const ALLOWED_OLD: &[c_long] = &[];

/// Programs, other processes, mounts, the kernel itself.
const DEADLY: &[c_long] = &[
    libc::SYS_add_key,
    libc::SYS_bpf,
    libc::SYS_chroot,
    libc::SYS_delete_module,
    libc::SYS_execve,
    libc::SYS_execveat,
    libc::SYS_finit_module,
    libc::SYS_init_module,
    libc::SYS_io_uring_setup,
    libc::SYS_kexec_load,
    libc::SYS_keyctl,
    libc::SYS_mount,
    libc::SYS_open_by_handle_at,
    libc::SYS_perf_event_open,
    libc::SYS_pivot_root,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_ptrace,
    libc::SYS_request_key,
    libc::SYS_setns,
    libc::SYS_umount2,
    libc::SYS_unshare,
    libc::SYS_userfaultfd,
];

/// Its flags lie in memory, where a filter cannot look. Told that it does not exist, the C library
/// uses `clone`, whose flags can be seen.
const FORBIDDEN: &[c_long] = &[libc::SYS_clone3];

/// `PR_SET_VMA` of linux/prctl.h: the allocator gives its memory a name.
const PR_SET_VMA: c_long = 0x5356_4d41;

/// Why system calls are not restricted.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("no filter can be made for this kind of processor")]
    Build(#[from] BackendError),
    #[error("this kernel takes no filter")]
    Apply(#[from] seccompiler::Error),
}

/// Restricts this thread, and all that it starts, for ever.
///
/// # Errors
/// [`Error`] if the kernel cannot.
pub(crate) fn restrict() -> Result<(), Error> {
    // All are made before the first is applied. They stack up and the severest answer counts; the
    // last one forbids to apply more.
    for filter in filters()? {
        apply_filter(&filter)?;
    }
    Ok(())
}

fn filters() -> Result<[BpfProgram; 3], BackendError> {
    let (missing, denied) = (errno(libc::ENOSYS), errno(libc::EPERM));
    Ok([
        compile(plain(DEADLY), SeccompAction::Allow, SeccompAction::KillProcess)?,
        compile(plain(FORBIDDEN), SeccompAction::Allow, missing)?,
        compile(allowed()?, denied, SeccompAction::Allow)?,
    ])
}

fn compile(rules: Rules, otherwise: SeccompAction, matched: SeccompAction) -> Compiled {
    let arch = std::env::consts::ARCH.try_into()?;
    SeccompFilter::new(rules, otherwise, matched, arch)?.try_into()
}

type Rules = BTreeMap<c_long, Vec<SeccompRule>>;
type Compiled = Result<BpfProgram, BackendError>;

fn errno(number: i32) -> SeccompAction {
    SeccompAction::Errno(number.unsigned_abs())
}

/// Calls without a condition.
fn plain(calls: &[c_long]) -> Rules {
    calls.iter().map(|call| (*call, Vec::new())).collect()
}

/// TCP and UDP by their usual protocols: landlock knows the ports of these, and not those of MPTCP.
fn sockets() -> Result<Vec<SeccompRule>, BackendError> {
    let is = |argument, value: i32| {
        SeccompCondition::new(
            argument,
            SeccompCmpArgLen::Dword,
            SeccompCmpOp::Eq,
            u64::from(value.cast_unsigned()),
        )
    };
    let mut rules = Vec::new();
    for family in [libc::AF_UNIX, libc::AF_NETLINK] {
        rules.push(rule(is(0, family)?)?);
    }
    for family in [libc::AF_INET, libc::AF_INET6] {
        for protocol in [0, libc::IPPROTO_TCP, libc::IPPROTO_UDP] {
            rules.push(SeccompRule::new(vec![is(0, family)?, is(2, protocol)?])?);
        }
    }
    Ok(rules)
}

fn allowed() -> Result<Rules, BackendError> {
    let mut rules = plain(ALLOWED);
    rules.extend(plain(ALLOWED_OLD));
    let requests = [
        widen(libc::FIONBIO),
        widen(libc::FIONREAD),
        widen(libc::FIOCLEX),
        // Whether something is a terminal.
        widen(libc::TCGETS),
    ];
    let names = [libc::PR_SET_NAME.into(), PR_SET_VMA];
    // A thread, not a process.
    rules.insert(libc::SYS_clone, vec![rule(bits(0, libc::CLONE_THREAD, libc::CLONE_THREAD)?)?]);
    // To read, not to write or make.
    let writes = libc::O_ACCMODE | libc::O_CREAT | libc::O_TRUNC;
    rules.insert(libc::SYS_openat, vec![rule(bits(2, writes, libc::O_RDONLY)?)?]);
    rules.insert(libc::SYS_socket, sockets()?);
    // A first segment with data connects without a connect that landlock would see.
    for (call, flags) in [(libc::SYS_sendto, 3), (libc::SYS_sendmsg, 2), (libc::SYS_sendmmsg, 3)] {
        rules.insert(call, vec![rule(bits(flags, libc::MSG_FASTOPEN, 0)?)?]);
    }
    rules.insert(libc::SYS_ioctl, any_of(1, &requests)?);
    rules.insert(libc::SYS_prctl, any_of(0, &names)?);
    // To ask for a limit, not to set one.
    let null = SeccompCondition::new(2, SeccompCmpArgLen::Qword, SeccompCmpOp::Eq, 0)?;
    rules.insert(libc::SYS_prlimit64, vec![rule(null)?]);
    // What can be written is not run, and what can be run is not written.
    for call in [libc::SYS_mmap, libc::SYS_mprotect] {
        let not_run = rule(bits(2, libc::PROT_EXEC, 0)?)?;
        let not_written = rule(bits(2, libc::PROT_WRITE, 0)?)?;
        rules.insert(call, vec![not_run, not_written]);
    }
    Ok(rules)
}

/// The argument has one of these values.
fn any_of(argument: u8, values: &[c_long]) -> Result<Vec<SeccompRule>, BackendError> {
    let equal = |value: &c_long| {
        let (length, op) = (SeccompCmpArgLen::Dword, SeccompCmpOp::Eq);
        rule(SeccompCondition::new(argument, length, op, value.cast_unsigned())?)
    };
    values.iter().map(equal).collect()
}

/// Of the argument's bits under the mask, these are set and no others.
fn bits(argument: u8, mask: i32, set: i32) -> Result<SeccompCondition, BackendError> {
    let op = SeccompCmpOp::MaskedEq(u64::from(mask.cast_unsigned()));
    SeccompCondition::new(argument, SeccompCmpArgLen::Dword, op, u64::from(set.cast_unsigned()))
}

fn rule(condition: SeccompCondition) -> Result<SeccompRule, BackendError> {
    SeccompRule::new(vec![condition])
}

/// The requests of `ioctl` have one type in glibc and another in musl.
fn widen(request: impl TryInto<c_long>) -> c_long {
    request.try_into().unwrap_or(-1)
}
