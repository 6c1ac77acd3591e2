//! The compiled probe, as `cargo xtask ebpf` left it in the repository.

/// Aligned as the ELF reader asks.
#[repr(align(8))]
struct Aligned<Bytes: ?Sized>(Bytes);

static ALIGNED: &Aligned<[u8]> =
    &Aligned(*include_bytes!("../../../probe-ebpf/prebuilt/flowdrift-probe.bpf.o"));

/// The object file, for the BPF loader.
#[must_use]
pub fn object() -> &'static [u8] {
    &ALIGNED.0
}
