//! What the process may do: limits of the system, its user, its root directory.

use std::io;

use crate::config::{Amount, Config};
use crate::error::{Exit, Fatal};
use crate::sys::process::{self, Limit, Ration, User};

/// Whom to become when nobody of the configured name exists: as opentracker does.
const NOBODY: User = User {
    uid: 65534,
    gid: 65534,
};

/// Asks the system for what the configuration wants of it, and says what came of that; how many
/// files may be open.
///
/// # Errors
/// When the system doesn't even say what there is.
pub fn raise_limits(config: &Config) -> io::Result<usize> {
    let wanted = |amount| match amount {
        Some(Amount::Of(n)) => Some(u64::from(n)),
        Some(Amount::Max) | None => None,
    };
    let files = wanted(config.open_files);
    let open_files = raise(Ration::OpenFiles, "open files", "tracker.nofile", files)?;
    if config.core_bytes.is_some() {
        let bytes = wanted(config.core_bytes);
        raise(Ration::CoreBytes, "core bytes", "tracker.core", bytes)?;
    }
    Ok(usize::try_from(open_files.soft).unwrap_or(usize::MAX))
}

fn raise(ration: Ration, what: &str, key: &str, wanted: Option<u64>) -> io::Result<Limit> {
    let before = ration.limit()?;
    // Where nothing can be changed, what there is will have to do.
    let after = ration.set(wanted).or_else(|_| ration.limit())?;
    log::info!("limit of {what}: {before} until now, {after} from now on");
    if wanted.is_some_and(|wanted| after.soft < wanted) {
        log::warn!(
            "{key}: the system grants no more than {}; root may have more",
            after.soft
        );
    }
    Ok(after)
}

/// Enters the root directory and becomes the user of the configuration, as far as root can.
///
/// # Errors
/// When any of it fails: serving strangers as root is not what was asked for.
pub fn drop_privileges(config: &Config) -> Result<(), Fatal> {
    let fatal =
        |setting: &str, error: io::Error| Fatal::new(Exit::of(&error), setting, error.to_string());
    if !process::is_root() {
        // As opentracker does: without the right to confine itself, it at least moves there.
        return match &config.rootdir {
            Some(dir) => process::change_dir(dir).map_err(|error| fatal("tracker.rootdir", error)),
            None => Ok(()),
        };
    }
    let name = config.user.as_deref().unwrap_or("nobody");
    let user = match process::user(name).map_err(|error| fatal("tracker.user", error))? {
        Some(user) => user,
        None if config.user.is_none() => NOBODY,
        None => {
            let what = format!("there is no user `{name}`; see /etc/passwd");
            return Err(Fatal::new(Exit::Config, "tracker.user", what));
        }
    };
    if let Some(dir) = &config.rootdir {
        process::enter_root(dir).map_err(|error| fatal("tracker.rootdir", error))?;
    }
    process::become_user(user).map_err(|error| fatal("tracker.user", error))
}
