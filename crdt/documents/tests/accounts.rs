//! Accounts of a home whose nodes were apart: a removal stays, the lesser role holds, and a person sees it.

use meerkat_documents::{Shelf, actor_of};
use meerkat_protocols::{
    home::NodeNumber,
    wishes::{Account, DocumentId, Edit},
};

const ACCOUNTS: DocumentId = DocumentId::Accounts;

fn shelf(number: u8) -> Shelf {
    Shelf::load(actor_of(NodeNumber(number), [number; 16]), []).0
}

fn set(name: &str, role: &str, hash: &str) -> Edit {
    Edit::SetAccount(name.into(), Account { role: role.into(), hash: hash.into() })
}

fn edit(shelf: &mut Shelf, edit: &Edit) {
    shelf.edit(edit).expect("it fits");
}

/// Both ways, and both say the same then.
fn meet(a: &mut Shelf, b: &mut Shelf) {
    let (of_a, of_b) = (a.save(ACCOUNTS), b.save(ACCOUNTS));
    a.absorb(ACCOUNTS, &of_b).expect("honest");
    b.absorb(ACCOUNTS, &of_a).expect("honest");
    assert_eq!(a.wishes(), b.wishes());
}

/// Two nodes that know Ada and Ben.
fn two() -> (Shelf, Shelf) {
    let (mut a, mut b) = (shelf(1), shelf(2));
    edit(&mut a, &set("Ada", "admin", "ada 1"));
    edit(&mut a, &set("Ben", "viewer", "ben 1"));
    meet(&mut a, &mut b);
    (a, b)
}

#[test]
fn a_removed_account_stays_removed_whatever_another_node_did_to_it() {
    for change in [set("Ben", "admin", "ben 1"), set("Ben", "viewer", "ben 2"), set("Ben", "admin", "ben 2")] {
        for turned in [false, true] {
            let (mut a, mut b) = two();
            let (remover, changer) = if turned { (&mut b, &mut a) } else { (&mut a, &mut b) };
            edit(remover, &Edit::RemoveAccount("Ben".into()));
            edit(changer, &change);
            meet(&mut a, &mut b);
            assert!(!a.wishes().accounts.contains_key("Ben") && a.wishes().doubled.is_empty(), "{change:?}");
            a.found_anew(ACCOUNTS).expect("it is sound");
            assert!(!a.wishes().accounts.contains_key("Ben"));
            // Made again by somebody who knows of the removal.
            edit(&mut b, &set("Ben", "member", "ben 3"));
            assert_eq!(b.wishes().accounts["Ben"].role, "member");
        }
    }
}

#[test]
fn of_two_roles_given_apart_the_lesser_holds_until_a_person_chooses() {
    let (mut a, mut b) = two();
    edit(&mut a, &set("Cem", "admin", "cem 1"));
    edit(&mut b, &set("Cem", "viewer", "cem 2"));
    edit(&mut a, &set("Ben", "member", "ben 1"));
    edit(&mut b, &set("Ben", "viewer", "ben 2"));
    meet(&mut a, &mut b);
    let (accounts, doubled) = (&a.wishes().accounts, &a.wishes().doubled);
    assert_eq!(accounts["Cem"].role, "viewer");
    assert_eq!((accounts["Ben"].role.as_str(), accounts["Ben"].hash.as_str()), ("member", "ben 2"), "no dispute");
    assert_eq!(doubled.iter().collect::<Vec<_>>(), ["Cem"]);
    let mut founded = shelf(3);
    founded.absorb(ACCOUNTS, &a.save(ACCOUNTS)).expect("honest");
    founded.found_anew(ACCOUNTS).expect("it is sound");
    assert_eq!(founded.wishes().accounts, a.wishes().accounts, "a founding keeps what held");
    edit(&mut a, &set("Cem", "member", "cem 3"));
    meet(&mut a, &mut b);
    assert!(b.wishes().doubled.is_empty() && b.wishes().accounts["Cem"].role == "member");
}

#[test]
fn two_names_that_differ_by_case_are_shown_until_one_goes() {
    let (mut a, mut b) = two();
    edit(&mut a, &set("Dia", "viewer", "1"));
    edit(&mut b, &set("dia", "viewer", "2"));
    meet(&mut a, &mut b);
    assert_eq!(a.wishes().doubled.iter().collect::<Vec<_>>(), ["Dia", "dia"]);
    edit(&mut a, &Edit::RemoveAccount("dia".into()));
    assert!(a.wishes().doubled.is_empty());
}
