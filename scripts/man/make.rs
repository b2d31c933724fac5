//! Writes the manual and the completions, all that is made from the table of settings; run it by
//! `make man` after a change of the table.

mod completions;
mod pages;

use std::fs;
use std::io;
use std::path::Path;

fn main() -> io::Result<()> {
    let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts");
    fs::create_dir_all(scripts.join("completions"))?;
    for (name, text) in [
        ("man/trackerd.8", pages::trackerd()),
        ("man/trackerd.conf.5", pages::trackerd_conf()),
        ("completions/trackerd.bash", completions::bash()),
        ("completions/_trackerd", completions::zsh()),
        ("completions/trackerd.fish", completions::fish()),
    ] {
        fs::write(scripts.join(name), text)?;
    }
    Ok(())
}
