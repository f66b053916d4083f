use super::*;
use clap::CommandFactory;

fn read(line: &str) -> Result<Cli, Exit> {
    parse(line.split_whitespace().map(OsString::from))
}

#[test]
fn the_definition_is_sound() {
    Cli::command().debug_assert();
}

#[test]
fn every_documented_form_is_understood() {
    for line in [
        "up",
        "up --data /d --config /c.toml --web 127.0.0.1:1 --listen /ip4/0.0.0.0/tcp/1 --listen /ip6/::/udp/1/quic-v1",
        "up --peer /ip4/192.168.1.20/tcp/4787 --peer /ip4/192.168.1.21/udp/4787/quic-v1",
        "status",
        "status --json",
        "peers --json",
        "calls --json --limit 5 --number +4930901820 --verdict block",
        "check 030/901820 --json",
        "report +4930901820 --as spam",
        "report +4930901820 --as scam --json",
        "report +4930901820 --as robocall",
        "report +4930901820 --as telemarketer",
        "report +4930901820 --as legit",
        "report +4930901820 --retract",
        "list show --json",
        "list show --standing block",
        "list allow +4930901820 --label Granny --notes Sundays --json",
        "list block +4930*",
        "list label +4930* --label Berlin",
        "list remove +4930*",
        "import list.csv",
        "import list.csv --name FTC --region US --replace --json",
        "import list",
        "import list --json",
        "import undo FTC",
        "number export +4930901820 --json",
        "number erase +4930901820",
        "vouch meerkat-home-abc --name Kim",
        "vouch --remove abc",
        "vouch --list --json",
        "invite --qr --no-vouch --expires 2h --name Anna --json",
        "invite --list --json",
        "invite --revoke abc",
        "join meerkat:abc --name Ben --no-vouch --json",
        "join 7K3MX-9QW2T",
        "nearby --json",
        "meet 12D3KooW --json",
        "meet 12D3KooW --same --name Anna",
        "meet 12D3KooW --different",
        "message Anna Hello --json",
        "message Anna --undo 0102030405060708",
        "messages --json",
        "messages --with Anna --limit 5",
        "node info --json",
        "admin claim",
        "api-key create --name door --role member --json",
        "api-key list --json",
        "api-key delete k1",
        "config show --origin --json",
        "completions bash",
        "--data /d status",
        "status --data /d --socket /s",
    ] {
        assert!(read(&format!("meerkat {line}")).is_ok(), "{line}");
    }
}

#[test]
fn what_makes_no_sense_is_a_usage_error() {
    for line in [
        "",
        "upp",
        "up --web everywhere",
        "up --listen 127.0.0.1:4787",
        "up --peer /ip4/0.0.0.0/tcp/4787",
        "calls --limit 0",
        "calls --verdict maybe",
        "report +4930901820",
        "report +4930901820 --as spam --retract",
        "report +4930901820 --as friend",
        "import",
        "import undo",
        "number",
        "number erase",
        "vouch",
        "vouch meerkat-home-abc",
        "vouch --list --remove abc",
        "message Anna",
        "message Anna Hello --undo 0102030405060708",
        "messages --limit 5",
        "api-key create --name door",
        "api-key create --name door --role king",
        "ping",
        "ping Ana --count 0",
        "completions tcsh",
    ] {
        assert_eq!(read(&format!("meerkat {line}")).err(), Some(Exit::Usage), "{line}");
    }
    assert_eq!(read("meerkat --help").err(), Some(Exit::Ok));
    assert_eq!(read("meerkat --version").err(), Some(Exit::Ok));
}

#[test]
fn each_command_is_described_by_its_own_words() {
    let mut command = Cli::command();
    for (name, words) in [
        ("up", "Start the node"),
        ("status", "Say how the node is"),
        ("check", "Say what would happen"),
        ("report", "Tell neighbours"),
        ("vouch", "Vouch for a neighbour"),
        ("ping", "Ask a neighbour's node"),
    ] {
        let help = command.find_subcommand_mut(name).expect("it is there").render_long_help().to_string();
        assert!(help.starts_with(words), "{help}");
    }
}

#[test]
fn a_ping_is_one_unless_a_direct_way_is_waited_for() {
    for (line, count) in [("", 1), (" --until-direct", 60), (" --until-direct --count 5", 5), (" --count 3", 3)] {
        let cli = read(&format!("meerkat ping Ana{line}")).expect("it is right");
        let Command::Ping(ping) = &cli.command else { panic!("it is `ping`") };
        assert_eq!((ping.peer.as_str(), ping.count), ("Ana", count), "{line}");
    }
}

#[test]
fn help_names_every_exit_code() {
    let help = Cli::command().render_long_help().to_string();
    let all = [
        Exit::Ok,
        Exit::Degraded,
        Exit::Down,
        Exit::Usage,
        Exit::Refused,
        Exit::NoInput,
        Exit::Unavailable,
        Exit::Fault,
        Exit::CannotCreate,
        Exit::InUse,
        Exit::NotAllowed,
    ];
    for exit in all {
        assert!(help.contains(&format!("{:>4}  ", exit as u8)), "{exit:?}");
    }
}

#[test]
fn flags_reach_the_settings() {
    let cli = read("meerkat up --data /d --web 127.0.0.1:1 --peer /ip4/192.168.1.20/tcp/4787").expect("it is right");
    let Command::Up(up) = &cli.command else { panic!("it is `up`") };
    let flags = up.flags(&cli.which);
    assert_eq!((flags.data, flags.peers.len()), (Some(PathBuf::from("/d")), 1));
    assert_eq!(flags.web.map(|web| web.port()), Some(1));
}
