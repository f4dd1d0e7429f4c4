//! `make docs`: writes the pages that are made from tables in the source.

use std::path::Path;

#[path = "docs/cookbook.rs"]
mod cookbook;
#[path = "docs/events.rs"]
mod events;

fn main() -> std::io::Result<()> {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs");
    std::fs::create_dir_all(&docs)?;
    for (name, page) in [
        ("config.md", beadle::config::reference()),
        ("script-functions.md", beadle::script::host::reference::reference()),
        ("events.md", events::page()),
        ("cookbook.md", cookbook::page()),
    ] {
        std::fs::write(docs.join(name), page)?;
        println!("wrote docs/{name}");
    }
    Ok(())
}
