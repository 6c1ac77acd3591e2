//! Ports that are one to all rows: their classes.

use super::{super::rows::Rows, index::bound_ports};
use crate::matrix::Ports;

/// A class's number. There are no more of them than ports.
pub(super) type PortClass = u16;

/// Every port's class.
#[derive(Debug)]
pub(super) struct PortClasses(Box<[PortClass]>);

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
        Self(classes.collect())
    }

    #[inline]
    pub(super) fn class(&self, port: u16) -> PortClass {
        self.0[usize::from(port)]
    }

    /// What they occupy, bytes.
    pub(super) fn size(&self) -> usize {
        size_of_val(&*self.0)
    }
}
