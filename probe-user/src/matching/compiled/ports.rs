//! Ports that are one to all rows: their classes.

use hashbrown::HashMap;

use super::{super::rows::Rows, index::bound_ports};
use crate::matrix::Ports;

/// A class's number. There are no more of them than ports.
pub(super) type PortClass = u16;

/// Every port's class. Most ports next to each other are of one class, and the same few stretches come again and again.
#[derive(Debug)]
pub(super) struct PortClasses {
    /// By a port's upper bits, where its stretch begins.
    stretches: Box<[u16; 1 << (u16::BITS - STRETCH)]>,
    classes: Vec<PortClass>,
}

/// A stretch is as many ports as these lower bits tell apart.
const STRETCH: u32 = 6;

impl PortClasses {
    pub(super) fn of(rows: &Rows) -> Self {
        // Where a class begins that the port before is not in.
        let mut begins = vec![false; 1 << 16];
        let mut begin = |port: u32| {
            if let Some(begins) = begins.get_mut(port as usize) {
                *begins = true;
            }
        };
        for cell in &rows.cells {
            if let Ports::Range { first, last } = cell.port.ports {
                begin(first.into());
                begin(u32::from(last) + 1);
            }
            for port in bound_ports(rows.inventory(), cell) {
                begin(port.into());
                begin(u32::from(port) + 1);
            }
        }
        let mut class = 0;
        let classes = (0..).zip(&begins).map(|(port, begins): (u32, _)| {
            class += PortClass::from(*begins && port != 0);
            class
        });
        let every: Vec<PortClass> = classes.collect();
        let (mut known, mut classes) = (HashMap::new(), Vec::new());
        let stretches: Vec<u16> = every
            .chunks(1 << STRETCH)
            .map(|stretch| {
                *known.entry(stretch).or_insert_with(|| {
                    classes.extend_from_slice(stretch);
                    (classes.len() - stretch.len()) as u16
                })
            })
            .collect();
        Self { stretches: stretches.try_into().expect("all ports"), classes }
    }

    #[inline]
    pub(super) fn class(&self, port: u16) -> PortClass {
        let begin = self.stretches[usize::from(port >> STRETCH)];
        self.classes[usize::from(begin) + usize::from(port % (1 << STRETCH))]
    }

    /// What they occupy, bytes.
    pub(super) fn size(&self) -> usize {
        size_of_val(&*self.stretches) + size_of_val(&*self.classes)
    }
}
