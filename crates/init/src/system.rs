//! The kernel's own file systems, modules and switches: what must be there before anything else can run.

use std::ffi::CStr;
use std::fs::{self, File};
use std::path::Path;

use rustix::io::Errno;
use rustix::mount::{MountFlags, mount};

use super::log::Log;

/// The modules and their lists: one file name a line, in the order of loading.
const MODULES: &str = "/lib/modules";

/// Mounts the kernel's file systems. What fails is returned, since nothing can be logged yet.
pub(super) fn mount_all() -> Vec<String> {
    let nothing = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
    let table: [(&str, &str, MountFlags, &CStr); 6] = [
        ("proc", "/proc", nothing, c""),
        ("sysfs", "/sys", nothing, c""),
        ("devtmpfs", "/dev", MountFlags::NOSUID | MountFlags::NOEXEC, c"mode=0755"),
        ("tmpfs", "/run", nothing, c"mode=0755,size=16m"),
        ("tmpfs", "/tmp", nothing, c"mode=1777,size=64m"),
        ("pstore", "/sys/fs/pstore", nothing, c""),
    ];
    let mut failures = Vec::new();
    for (kind, place, flags, data) in table {
        if kind != "pstore" {
            let _ = fs::create_dir_all(place);
        }
        match mount(kind, place, kind, flags, data) {
            Ok(()) | Err(Errno::BUSY) => {}
            Err(_) if kind == "pstore" => {}
            Err(error) => failures.push(format!("{kind} cannot be mounted on {place}: {error}")),
        }
    }
    failures
}

/// Loads the modules that the image lists for every start.
pub(super) fn load_modules(log: &Log) {
    load_list("order", log);
}

/// Loads the modules that a tunnel needs, if they are not there yet.
pub(super) fn load_tunnel_modules(log: &Log) {
    load_list("order.tunnel", log);
}

/// Loads the modules of a list. One that does not load is one line in the log, never more.
fn load_list(list: &str, log: &Log) {
    let directory = Path::new(MODULES);
    let order = match fs::read_to_string(directory.join(list)) {
        Ok(order) => order,
        Err(error) => return log.say(format!("no modules are loaded: {MODULES}/{list}: {error}")),
    };
    let mut loaded = 0_u32;
    for name in module_names(&order) {
        match load_module(&directory.join(name)) {
            Ok(()) => loaded += 1,
            // The board has no such device, or the kernel has the driver already.
            Err(Errno::NODEV | Errno::EXIST) => {}
            Err(error) => log.say(format!("module {name} is not loaded: {error}")),
        }
    }
    if loaded > 0 {
        log.say(format!("{loaded} modules loaded"));
    }
}

fn load_module(path: &Path) -> Result<(), Errno> {
    let file = File::open(path).map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::IO))?;
    rustix::system::finit_module(&file, c"", 0)
}

/// The file names in the list: comments and blank lines left out, nothing outside the directory.
fn module_names(order: &str) -> impl Iterator<Item = &str> {
    order
        .lines()
        .map(|line| line.split('#').next().unwrap_or_default().trim())
        .filter(|name| name.ends_with(".ko") && !name.contains('/'))
}

/// Sets a kernel switch below `/proc/sys`.
pub(super) fn set_switch(log: &Log, name: &str, value: &str) {
    let path = Path::new("/proc/sys").join(name);
    if let Err(error) = fs::write(&path, value) {
        log.say(format!("{} cannot be set: {error}", path.display()));
    }
}

#[cfg(test)]
mod tests {
    use super::module_names;

    #[test]
    fn the_list_names_files_of_one_directory() {
        let order = "# first the disk\nvirtio_blk.ko\n\next4.ko  # data\n../../evil.ko\nREADME\n";
        assert_eq!(module_names(order).collect::<Vec<_>>(), ["virtio_blk.ko", "ext4.ko"]);
    }
}
