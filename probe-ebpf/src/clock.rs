//! The time of an event, read from the clock once per tick.
//!
//! Reading `CLOCK_BOOTTIME` costs more than writing a record. So each CPU reads it when the kernel's tick has moved on
//! and counts nanoseconds from there: the events of a CPU are in order, unless one handler interrupts another in
//! here, and true to a tick (1 to 10 ms, the kernel's `CONFIG_HZ`; a few more while a virtual machine is starved of
//! ticks). At less than one event per tick it is the clock's own time.

use crate::cpu::Cpu;
use aya_ebpf::helpers::generated::{bpf_jiffies64, bpf_ktime_get_boot_ns};

/// The kernel's tick: `jiffies`, which it counts `CONFIG_HZ` times a second.
#[inline(always)]
pub(crate) fn tick() -> u64 {
    // SAFETY: a helper without arguments.
    unsafe { bpf_jiffies64() }
}

/// Nanoseconds on `CLOCK_BOOTTIME` (5.8).
#[inline(always)]
pub(crate) fn now(cpu: Cpu) -> u64 {
    let cpu = cpu.state();
    // SAFETY: helpers without arguments, and this CPU's state. An interrupt between two of these lines uses the clock
    // of the tick before or reads it again.
    unsafe {
        let tick = tick();
        let mut time = (&raw const (*cpu).time).read_volatile() + 1;
        if tick != (&raw const (*cpu).tick).read_volatile() {
            time = bpf_ktime_get_boot_ns();
            (&raw mut (*cpu).tick).write_volatile(tick);
        }
        (&raw mut (*cpu).time).write_volatile(time);
        time
    }
}
