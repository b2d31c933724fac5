//! What goes onto computers that are no routers: the unit of systemd, Debian's package, images.

use std::fs;
use std::path::Path;

use crate::{has, run, source};

const UNIT: &str = "scripts/systemd/trackerd.service";

fn text(name: &str) -> String {
    fs::read_to_string(source(name)).unwrap()
}

#[test]
fn the_service_may_do_little_else() {
    if !has(&[("systemd-analyze", "systemd")]) {
        return;
    }
    let unit = source(UNIT).display().to_string();
    // In tenths, and the threshold is the most that is allowed.
    run(
        "systemd-analyze",
        &["security", "--offline=true", "--threshold=20", &unit],
    );
}

#[test]
fn the_unit_has_no_unknown_words() {
    if !has(&[("systemd-analyze", "systemd")]) {
        return;
    }
    // What is not installed here would be missed.
    let unit = text(UNIT).replace("/usr/bin/trackerd", "/bin/true");
    let unit = unit
        .lines()
        .filter(|line| !line.starts_with("Documentation="));
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("trackerd.service");
    fs::write(&path, unit.collect::<Vec<_>>().join("\n")).unwrap();
    let output = std::process::Command::new("systemd-analyze")
        .args(["verify", "--man=no", "--generators=no"])
        .arg(&path)
        .output();
    let told = String::from_utf8(output.unwrap().stderr).unwrap();
    let own = told
        .lines()
        .filter(|line| line.contains("trackerd.service"));
    let faults: Vec<_> = own
        .filter(|line| !line.ends_with("Failed to parse service type, ignoring: notify-reload"))
        .collect();
    assert!(faults.is_empty(), "{faults:?}");
}

#[test]
fn the_user_can_be_made() {
    if !has(&[("systemd-sysusers", "systemd")]) {
        return;
    }
    let config = source("scripts/systemd/trackerd.sysusers")
        .display()
        .to_string();
    run("systemd-sysusers", &["--dry-run", &config]);
    assert!(text(UNIT).contains("\nUser=trackerd\n"));
}

/// What is between quotes.
fn quoted(line: &str) -> Vec<&str> {
    line.split('"').skip(1).step_by(2).collect()
}

#[test]
fn debians_package_has_everything() {
    let manifest = text("Cargo.toml");
    let (_, deb) = manifest.split_once("[package.metadata.deb]").unwrap();
    let (_, assets) = deb.split_once("assets = [").unwrap();
    let (assets, rest) = assets.split_once("\n]").unwrap();
    let assets: Vec<_> = assets.lines().skip(1).map(quoted).collect();
    for asset in &assets {
        let [from, _, mode] = asset[..] else {
            panic!("{asset:?}")
        };
        let built = from.starts_with("target/release/");
        assert!(built || source(from).is_file(), "{from}");
        assert_eq!(mode, if built { "755" } else { "644" }, "{from}");
    }
    // The unit reads the file that is installed, and the user is there when it starts.
    let conf = "etc/trackerd/trackerd.conf";
    assert!(assets.iter().any(|asset| asset[1] == conf));
    assert!(rest.contains(&format!("conf-files = [\"/{conf}\"]")));
    assert!(text(UNIT).contains(&format!("ExecStart=/usr/bin/trackerd -f /{conf}\n")));
    assert!(source("scripts/systemd/trackerd.sysusers").is_file());
    assert!(text("scripts/debian/postrm").contains("\n#DEBHELPER#\n"));
    let version = format!("trackerd ({}-1) ", env!("CARGO_PKG_VERSION"));
    assert!(text("scripts/debian/changelog").starts_with(&version));
}

#[test]
fn debians_script_is_one_of_a_plain_shell() {
    if !has(&[("shellcheck", "shellcheck")]) {
        return;
    }
    run(
        "shellcheck",
        &[&source("scripts/debian/postrm").display().to_string()],
    );
}

#[test]
fn the_image_is_bare_and_without_root() {
    let recipe = text("scripts/Containerfile");
    let instructions: Vec<_> = recipe
        .lines()
        .filter(|line| line.starts_with(|c: char| c.is_ascii_uppercase()))
        .collect();
    for instruction in [
        "FROM scratch",
        "USER 65532:65532",
        "EXPOSE 6969/tcp 6969/udp",
        "STOPSIGNAL SIGTERM",
        "ENTRYPOINT [\"/trackerd\"]",
    ] {
        assert!(instructions.contains(&instruction), "{instruction}");
    }
    let check = instructions
        .iter()
        .find(|line| line.starts_with("HEALTHCHECK "));
    let (_, command) = check.unwrap().split_once(" CMD ").unwrap();
    let words = quoted(command);
    assert_eq!(words[0], "/trackerd");
    // The options that it is started with are known.
    let flags = trackerd::config::settings::FLAGS;
    for option in &words[1..] {
        let known = flags
            .iter()
            .any(|flag| flag.names().contains(&(*option).to_owned()));
        assert!(known, "{option}");
    }
}
