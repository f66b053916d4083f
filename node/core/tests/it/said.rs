//! Statements as homes of these worlds sign them.

use meerkat_protocols::{
    home::NodeNumber,
    statement::{Basis, Body, Category, Kind, Sealed, Statement},
    time::Day,
};

use crate::world::{genesis, home, key, number};

/// A statement of home `n`, signed.
pub(crate) fn signed(n: u16, day: u16, slot: u8, body: Body) -> Sealed {
    Statement { home: home(n), node: NodeNumber(0), day: Day(day), slot, body }.sign(&key(n))
}

pub(crate) fn report(n: u16, day: u16, slot: u8, digits: u64, category: Category) -> Sealed {
    signed(n, day, slot, Body::Report { number: number(digits), category, basis: Basis::Told })
}

pub(crate) fn vouch(n: u16, day: u16, slot: u8, whom: u16) -> Sealed {
    signed(n, day, slot, Body::Vouch(genesis(whom)))
}

pub(crate) fn retraction(n: u16, day: u16, slot: u8, kind: Kind, of_day: u16, of_slot: u8) -> Sealed {
    signed(n, day, slot, Body::Retraction { kind, day: Day(of_day), slot: of_slot })
}
