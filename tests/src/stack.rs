//! Stack depth of the compiled programs, read from their instructions: the verifier's log with it is dropped when a
//! program is accepted.

use std::collections::BTreeMap;

use object::{
    Object as _, ObjectSection as _, ObjectSymbol as _, RelocationTarget, SectionIndex, SymbolIndex,
    SymbolKind,
};

/// Size of an instruction slot; `ld_imm64` takes two.
const SLOT: u64 = 8;
/// The frame pointer.
const FRAME: u8 = 10;
/// The verifier rounds each frame up to this (kernel/bpf/verifier.c, round_up_stack_depth), bytes.
const ROUND: u64 = 32;

/// One instruction (include/uapi/linux/bpf.h, struct bpf_insn).
#[derive(Clone, Copy)]
struct Instruction {
    code: u8,
    destination: u8,
    source: u8,
    offset: i16,
    immediate: i32,
}

impl Instruction {
    fn read(bytes: &[u8]) -> Option<Self> {
        Some(Self {
            code: *bytes.first()?,
            destination: bytes.get(1)? & 0xf,
            source: bytes.get(1)? >> 4,
            offset: i16::from_le_bytes(bytes.get(2..4)?.try_into().ok()?),
            immediate: i32::from_le_bytes(bytes.get(4..8)?.try_into().ok()?),
        })
    }

    fn class(self) -> u8 {
        self.code & 7
    }

    fn is_subprogram_call(self) -> bool {
        self.code == 0x85 && self.source == 1
    }
}

/// A function of the object: how deep its own frame is, and whom it calls.
#[derive(Debug, Default)]
struct Function {
    frame: u64,
    calls: Vec<(SectionIndex, u64)>,
}

type Functions = BTreeMap<(usize, u64), (String, Function)>;

/// Deepest stack of each program, with that of its subprograms along calls, bytes; `wanted` names the programs.
///
/// # Errors
///
/// When the bytes are no BPF object, or lack a program.
pub fn depths(bytes: &[u8], wanted: &[&str]) -> anyhow::Result<BTreeMap<String, u64>> {
    let functions = functions(&object::File::parse(bytes)?)?;
    let depth_of = |name: &&str| {
        let found = functions.iter().find(|(_, (own, _))| own == name);
        let (place, _) = found.ok_or_else(|| anyhow::anyhow!("no program {name}"))?;
        Ok(((*name).to_owned(), depth(&functions, *place)))
    };
    wanted.iter().map(depth_of).collect()
}

/// The kernel forbids recursion, so this ends.
fn depth(functions: &Functions, place: (usize, u64)) -> u64 {
    let Some((_, function)) = functions.get(&place) else { return 0 };
    let below = function.calls.iter().map(|(section, address)| depth(functions, (section.0, *address)));
    function.frame.max(1).next_multiple_of(ROUND) + below.max().unwrap_or(0)
}

fn functions(file: &object::File<'_>) -> anyhow::Result<Functions> {
    let mut found = Functions::new();
    for symbol in file.symbols().filter(|symbol| symbol.kind() == SymbolKind::Text && symbol.size() > 0) {
        let Some(index) = symbol.section_index() else { continue };
        let section = file.section_by_index(index)?;
        let calls: BTreeMap<u64, SymbolIndex> = section
            .relocations()
            .filter_map(|(offset, relocation)| match relocation.target() {
                RelocationTarget::Symbol(symbol) => Some((offset, symbol)),
                _ => None,
            })
            .collect();
        let code = section.data()?;
        let (from, to) = (symbol.address(), symbol.address() + symbol.size());
        let target = |at: u64, instruction: Instruction| {
            // Relative to the next instruction, in slots; a relocation adds its symbol's place.
            let relative = i64::from(instruction.immediate) + 1;
            match calls.get(&at).and_then(|symbol| file.symbol_by_index(*symbol).ok()) {
                Some(symbol) if symbol.kind() == SymbolKind::Section => {
                    Some((symbol.section_index()?, relative.cast_unsigned() * SLOT))
                }
                Some(symbol) => Some((symbol.section_index()?, symbol.address())),
                None => Some((index, at.wrapping_add_signed(relative * SLOT.cast_signed()))),
            }
        };
        let function = scan(code, (from, to), target);
        found.insert((index.0, from), (symbol.name()?.to_owned(), function));
    }
    Ok(found)
}

fn scan(
    code: &[u8],
    (from, to): (u64, u64),
    target: impl Fn(u64, Instruction) -> Option<(SectionIndex, u64)>,
) -> Function {
    let mut function = Function::default();
    let mut lowest = 0i64;
    // Registers that hold an address in the frame, as its offset.
    let mut derived = [None::<i64>; 11];
    derived[usize::from(FRAME)] = Some(0);
    let mut at = from;
    while at < to {
        let Some(instruction) = code.get(at as usize..).and_then(Instruction::read) else { break };
        if instruction.is_subprogram_call() {
            function.calls.extend(target(at, instruction));
        }
        if let Some(touched) = touched(instruction, &mut derived) {
            lowest = lowest.min(touched);
        }
        // BPF_LD | BPF_IMM | BPF_DW takes two slots.
        at += if instruction.code == 0x18 { 2 * SLOT } else { SLOT };
    }
    function.frame = lowest.unsigned_abs();
    function
}

/// The frame offset that an instruction accesses or computes, if any.
fn touched(instruction: Instruction, derived: &mut [Option<i64>; 11]) -> Option<i64> {
    let Instruction { code, destination, source, offset, immediate } = instruction;
    let (to, from) = (usize::from(destination), usize::from(source));
    match instruction.class() {
        // BPF_LDX: read through the source.
        1 => {
            let place = derived[from].map(|base| base + i64::from(offset));
            derived[to] = None;
            place
        }
        // BPF_ST, BPF_STX: write through the destination.
        2 | 3 => derived[to].map(|base| base + i64::from(offset)),
        // BPF_ALU64: `mov` copies an address, `add` with a constant moves it.
        7 => {
            derived[to] = match code {
                0xbf => derived[from],
                0x07 => derived[to].map(|base| base + i64::from(immediate)),
                _ => None,
            };
            derived[to]
        }
        0 | 4 => {
            derived[to] = None;
            None
        }
        _ => {
            // A call clobbers r0 to r5; jumps write nothing.
            if code == 0x85 {
                derived[..6].fill(None);
            }
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(instructions: &[[u8; 8]]) -> u64 {
        let code = instructions.concat();
        scan(&code, (0, code.len() as u64), |_, _| None).frame
    }

    #[test]
    fn a_store_and_an_address_in_the_frame_count() {
        // *(u64 *)(r10 - 16) = r1
        let store = [0x7b, 0x1a, 0xf0, 0xff, 0, 0, 0, 0];
        // r2 = r10; r2 += -40
        let address = [[0xbf, 0xa2, 0, 0, 0, 0, 0, 0], [0x07, 0x02, 0, 0, 0xd8, 0xff, 0xff, 0xff]];
        assert_eq!(frame(&[store]), 16);
        assert_eq!(frame(&[store, address[0], address[1]]), 40);
    }

    #[test]
    fn a_frame_pointer_that_was_overwritten_counts_no_more() {
        // r2 = r10; r2 = 0; r2 += -400
        let [copy, clear] = [[0xbf, 0xa2, 0, 0, 0, 0, 0, 0], [0xb7, 0x02, 0, 0, 0, 0, 0, 0]];
        assert_eq!(frame(&[copy, clear, [0x07, 0x02, 0, 0, 0x70, 0xfe, 0xff, 0xff]]), 0);
    }
}
