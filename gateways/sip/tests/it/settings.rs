//! Settings as a person writes them.

use meerkat_sip::{BlockBy, LineSettings, Mode, Transport};

const ACCOUNT: &str =
    "name = \"home\"\n[mode.registered]\nregistrar = \"fritz.box\"\nuser = \"620\"\npassword = \"geheim\"\n";

#[test]
fn the_shortest_settings_are_enough() {
    let line: LineSettings = toml::from_str(ACCOUNT).unwrap();
    line.validate().unwrap();
    assert_eq!((line.hold_ms, line.pass_code, line.block, line.transport), (3_000, 480, BlockBy::Auto, Transport::Udp));
    let Mode::Registered(account) = &line.mode else { panic!("registered") };
    assert_eq!((account.expires_s, account.refresh_s), (600, 60));
    assert!(!format!("{line:?}").contains("geheim"));
    let line: LineSettings = toml::from_str(
        "name = \"trunk\"\nmode = \"direct\"\ntransport = \"tcp\"\nbind = \"0.0.0.0:5060\"\nblock = \"answer_and_hang_up\"\n\
         allow_from = [\"192.168.178.1\", \"10.0.0.0/8\"]",
    )
    .unwrap();
    line.validate().unwrap();
    assert_eq!((line.block, line.allow_from.len()), (BlockBy::AnswerAndHangUp, 2));
}

#[test]
fn a_mistake_names_the_line_the_field_and_the_remedy() {
    for (line, expected) in [
        ("pass_code = 404\n", "line `home`: `pass_code` does not fit: write 480 or 486"),
        ("hold_ms = 60000\n", "line `home`: `hold_ms` does not fit: write a number from 0 to 30000"),
    ] {
        let settings: LineSettings = toml::from_str(&format!("{line}{ACCOUNT}")).unwrap();
        let trouble = settings.validate().unwrap_err().to_string();
        assert!(trouble.starts_with(expected), "{trouble}");
    }
    for (from, to, field) in [
        ("fritz.box", "sip:fritz.box", "registrar"),
        ("\"620\"", "\"a@b\"", "user"),
        ("\"620\"", "\"a\\r\\nX: y\"", "user"),
        ("geheim", "", "password"),
    ] {
        let settings: LineSettings = toml::from_str(&ACCOUNT.replace(from, to)).unwrap();
        let trouble = settings.validate().unwrap_err().to_string();
        assert!(trouble.contains(&format!("`mode.registered.{field}`")), "{trouble}");
    }
    let unknown = toml::from_str::<LineSettings>(&format!("colour = 1\n{ACCOUNT}")).unwrap_err().to_string();
    assert!(unknown.contains("colour"), "{unknown}");
    let network = toml::from_str::<LineSettings>("name=\"x\"\nmode=\"direct\"\nallow_from=[\"fritz\"]").unwrap_err();
    assert!(network.to_string().contains("write for instance 192.168.178.1"), "{network}");
}
