//! The filter, call by call, in a small machine of the kind that the kernel runs it in. It reaches what a process cannot
//! try on itself: foreign architectures, calls that need root, calls that would kill.

use super::*;

const ALLOW: u32 = libc::SECCOMP_RET_ALLOW;
const NOT_PERMITTED: u32 = libc::SECCOMP_RET_ERRNO | libc::EPERM as u32;
const NO_SUCH_CALL: u32 = libc::SECCOMP_RET_ERRNO | libc::ENOSYS as u32;
const KILL: u32 = libc::SECCOMP_RET_KILL_PROCESS;

/// The kernel's AUDIT_ARCH_I386: a 32-bit call on x86_64, and foreign everywhere else too.
const FOREIGN_ARCHITECTURE: u32 = 0x4000_0003;

/// `struct seccomp_data` of a call: number, architecture, instruction pointer, six arguments.
fn data_of(architecture: u32, call: u32, arguments: [u64; 6]) -> Vec<u8> {
    let mut data = Vec::new();
    data.extend(call.to_ne_bytes());
    data.extend(architecture.to_ne_bytes());
    data.extend(0_u64.to_ne_bytes());
    for argument in arguments {
        data.extend(argument.to_ne_bytes());
    }
    data
}

/// Runs the few instructions that such filters are made of.
fn run(program: &[sock_filter], data: &[u8]) -> u32 {
    let mut accumulator = 0_u32;
    let mut at = 0;
    loop {
        let instruction = &program[at];
        let operand = instruction.k;
        at += 1;
        let mut jump_if = |condition: bool| {
            at += usize::from(if condition { instruction.jt } else { instruction.jf });
        };
        match u32::from(instruction.code) {
            code if code == libc::BPF_LD | libc::BPF_W | libc::BPF_ABS => {
                let start = operand as usize;
                accumulator = u32::from_ne_bytes(data[start..start + 4].try_into().unwrap());
            }
            code if code == libc::BPF_ALU | libc::BPF_AND | libc::BPF_K => accumulator &= operand,
            code if code == libc::BPF_JMP | libc::BPF_JA => at += operand as usize,
            code if code == libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K => jump_if(accumulator == operand),
            code if code == libc::BPF_JMP | libc::BPF_JGT | libc::BPF_K => jump_if(accumulator > operand),
            code if code == libc::BPF_JMP | libc::BPF_JGE | libc::BPF_K => jump_if(accumulator >= operand),
            code if code == libc::BPF_RET | libc::BPF_K => return operand,
            other => panic!("the machine does not know instruction {other:#x}"),
        }
    }
}

fn native() -> TargetArch {
    TargetArch::try_from(std::env::consts::ARCH).unwrap()
}

/// The architecture's number, read from the comparison with which seccompiler begins.
fn native_number(program: &[sock_filter]) -> u32 {
    program[refuse_unknown_calls().len() + 1].k
}

fn verdict(call: i64, arguments: [u64; 6]) -> u32 {
    let program = program(native()).unwrap();
    run(&program, &data_of(native_number(&program), u32::try_from(call).unwrap(), arguments))
}

#[test]
fn exactly_the_listed_calls_are_refused() {
    let program = program(native()).unwrap();
    let listed: Vec<u32> =
        REFUSED.iter().flat_map(|group| group.iter()).map(|&call| u32::try_from(call).unwrap()).collect();
    for call in 0..=LAST_KNOWN_CALL {
        let expected = if listed.contains(&call) { NOT_PERMITTED } else { ALLOW };
        let answer = run(&program, &data_of(native_number(&program), call, [0; 6]));
        assert_eq!(answer, expected, "call {call}");
    }
}

#[test]
fn what_serving_and_storing_need_is_allowed() {
    for call in [
        libc::SYS_accept4,
        libc::SYS_recvfrom,
        libc::SYS_sendto,
        libc::SYS_read,
        libc::SYS_write,
        libc::SYS_readv,
        libc::SYS_writev,
        libc::SYS_shutdown,
        libc::SYS_setsockopt,
        libc::SYS_epoll_ctl,
        libc::SYS_futex,
        libc::SYS_clone,
        libc::SYS_clone3,
        libc::SYS_openat,
        libc::SYS_fsync,
        libc::SYS_fdatasync,
        libc::SYS_mmap,
        libc::SYS_pwrite64,
        libc::SYS_ftruncate,
        libc::SYS_fcntl,
        libc::SYS_getrandom,
    ] {
        assert_eq!(verdict(call, [0; 6]), ALLOW, "call {call}");
    }
}

#[test]
fn sendto_is_refused_with_an_address_or_fast_open_and_with_nothing_else() {
    let with = |flags: i32, address: u64| {
        verdict(libc::SYS_sendto, [7, 0x7000_0000, 12, u64::from(flags.unsigned_abs()), address, 16])
    };
    assert_eq!(with(libc::MSG_NOSIGNAL | libc::MSG_DONTWAIT, 0), ALLOW);
    assert_eq!(with(0, 0x7fff_0000_1000), NOT_PERMITTED);
    assert_eq!(with(0, 0x7fff_0000_0000), NOT_PERMITTED, "an address whose lower half is zero");
    assert_eq!(with(libc::MSG_FASTOPEN | libc::MSG_NOSIGNAL, 0), NOT_PERMITTED);
    assert_eq!(with(!libc::MSG_FASTOPEN & i32::MAX, 0), ALLOW, "every flag but Fast Open");
}

#[test]
fn calls_newer_than_the_list_do_not_exist() {
    for call in [LAST_KNOWN_CALL + 1, 1_000, 0x4000_0000, 0x4000_0000 + 42, 0x4000_0000 + 520, u32::MAX] {
        assert_eq!(verdict(i64::from(call), [0; 6]), NO_SUCH_CALL, "call {call:#x}");
    }
}

#[test]
fn a_call_of_a_foreign_architecture_kills() {
    let program = program(native()).unwrap();
    // 102 is `socketcall` there, the way around a filter that looks at numbers only.
    assert_eq!(run(&program, &data_of(FOREIGN_ARCHITECTURE, 102, [3, 0, 0, 0, 0, 0])), KILL);
    assert_eq!(run(&program, &data_of(FOREIGN_ARCHITECTURE, 0, [0; 6])), KILL);
}
