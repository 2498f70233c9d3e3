//! Files that are not those that were opened.

use std::{fs, path::Path};

use super::{File, open};
use crate::faults::{Cells, Table, run};

/// The files are not those that were opened.
const OTHER_FILES: Cells<&str> = Cells {
    cold: "503",
    cached: "200, 503",
    revoked: "503",
    leaked: "-",
    management: "store_unavailable, not made",
    feed: "lost",
    check: "CannotConnect",
};

pub(super) async fn rows(table: &mut Table) {
    a_renamed_file(table).await;
    a_removed_file(table).await;
    a_replaced_file(table).await;
    a_removed_log(table).await;
}

async fn a_renamed_file(table: &mut Table) {
    let file = File::new();
    run(
        table,
        (
            "the file is renamed, and renamed back",
            OTHER_FILES,
            "restored, as before",
        ),
        file.scene().await,
        async |_| fs::rename(&file.path, file.beside("-moved")).unwrap(),
        async |_, ()| {
            fs::rename(file.beside("-moved"), &file.path).unwrap();
            None
        },
    )
    .await;
}

async fn a_removed_file(table: &mut Table) {
    let file = File::new();
    run(
        table,
        (
            "the file is removed, and a backup restored",
            OTHER_FILES,
            "restart, as before",
        ),
        file.scene().await,
        async |_| {
            let backup = file.backup().await;
            fs::remove_file(&file.path).unwrap();
            backup
        },
        async |_, backup| {
            for suffix in ["-wal", "-shm"] {
                fs::remove_file(file.beside(suffix)).unwrap();
            }
            fs::rename(backup, &file.path).unwrap();
            Some(open(&file.path).await.0)
        },
    )
    .await;
}

async fn a_replaced_file(table: &mut Table) {
    let file = File::new();
    run(
        table,
        (
            "a backup is renamed over the file",
            OTHER_FILES,
            "restart, as before",
        ),
        file.scene().await,
        async |_| {
            let backup = file.backup().await;
            fs::rename(backup, &file.path).unwrap();
        },
        async |_, ()| {
            for suffix in ["-wal", "-shm"] {
                fs::remove_file(file.beside(suffix)).unwrap();
            }
            Some(open(&file.path).await.0)
        },
    )
    .await;
}

/// Nothing may open the file again before every connection to it is closed.
async fn a_removed_log(table: &mut Table) {
    for (suffix, name) in [
        ("-wal", "the -wal is removed"),
        ("-shm", "the -shm is removed"),
    ] {
        let file = File::new();
        run(
            table,
            (name, OTHER_FILES, "restart, as before"),
            file.scene().await,
            async |_| fs::remove_file(file.beside(suffix)).unwrap(),
            async |scene, ()| {
                scene.stop_following();
                scene.store.close().await;
                wait_until_closed(&file.path).await;
                Some(open(&file.path).await.0)
            },
        )
        .await;
    }
}

/// A dropped connection is closed by its own thread.
async fn wait_until_closed(path: &Path) {
    let is_open = || {
        let descriptors = fs::read_dir("/proc/self/fd").unwrap().flatten();
        let mut files = descriptors.filter_map(|entry| fs::read_link(entry.path()).ok());
        files.any(|file| file == path)
    };
    while is_open() {
        tokio::task::yield_now().await;
    }
}
