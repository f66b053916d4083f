//! Who lives where: homes with their keys, the vouches between them, whom each calls.

use ed25519_dalek::SigningKey;
use meerkat_protocols::{
    home::{Genesis, NodeNumber},
    mesh::Peer,
    statement::{Body, Sealed, Statement},
    time::Day,
};

use crate::{dice::Dice, scenario::Street};

/// The day on which worlds begin: 2026-11-21.
pub(crate) const TODAY: Day = Day(20_778);

/// The keys of a home's one node.
#[derive(Clone)]
pub(crate) struct Keys {
    pub(crate) statement: SigningKey,
    pub(crate) genesis: Genesis,
    pub(crate) peer: Peer,
}

/// A street as it is before anything happens.
pub(crate) struct Plan {
    pub(crate) keys: Vec<Keys>,
    pub(crate) vouches: Vec<Sealed>,
    pub(crate) calls: Vec<(usize, usize)>,
}

impl Plan {
    pub(crate) fn draw(street: &Street, dice: &Dice) -> Self {
        let mut chance = dice.apart(1);
        let keys: Vec<Keys> = (0..street.homes).map(|n| keys(n, &mut chance)).collect();
        let mut chance = dice.apart(2);
        let mut vouches = Vec::new();
        for home in 0..street.homes {
            for (slot, other) in friends(home, street.homes, street.vouches, &mut chance).into_iter().enumerate() {
                let slot = u8::try_from(slot).expect("twelve at most");
                let body = Body::Vouch(keys[other].genesis);
                let genesis = keys[home].genesis;
                let statement =
                    Statement { home: genesis.home(), node: NodeNumber(0), day: Day(TODAY.0 - 1), slot, body };
                vouches.push(statement.sign(&keys[home].statement));
            }
        }
        let mut chance = dice.apart(3);
        let calls = (0..street.homes)
            .flat_map(|home| {
                friends(home, street.homes, street.calls, &mut chance).into_iter().map(move |other| (home, other))
            })
            .collect();
        Self { keys, vouches, calls }
    }
}

fn keys(n: usize, chance: &mut Dice) -> Keys {
    let statement = SigningKey::from_bytes(&chance.bytes());
    let mut peer = [0; 32];
    peer[..8].copy_from_slice(&(n as u64).to_be_bytes());
    Keys { genesis: Genesis::new(&statement.verifying_key()), statement, peer: Peer(peer) }
}

/// So many others: half of them the next in the street, the rest anywhere.
fn friends(home: usize, homes: usize, count: usize, chance: &mut Dice) -> Vec<usize> {
    let mut friends: Vec<usize> = (1..=count.div_ceil(2)).map(|step| (home + step) % homes).collect();
    while friends.len() < count {
        let other = chance.place(homes);
        if other != home && !friends.contains(&other) {
            friends.push(other);
        }
    }
    friends
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_street_is_the_same_for_the_same_seed() {
        let street = Street { homes: 20, vouches: 4, calls: 3 };
        let plan = |seed| {
            let plan = Plan::draw(&street, &Dice::new(seed));
            (plan.vouches, plan.calls)
        };
        assert_eq!(plan(1), plan(1));
        assert_ne!(plan(1).1, plan(2).1);
        let (vouches, calls) = plan(1);
        assert_eq!((vouches.len(), calls.len()), (80, 60));
        assert!(calls.iter().all(|(a, b)| a != b));
    }
}
