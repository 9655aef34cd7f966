//! What of a configuration can't change while it is in force.

use super::Config;

impl Config {
    /// Takes from the one that is in force what can't change while it runs. Returns the keys that say otherwise here: they
    /// need a restart.
    pub(crate) fn settle(&mut self, running: &Self) -> Vec<&'static str> {
        let mut left = Vec::new();
        keep("state", &mut self.state, &running.state, &mut left);
        keep("evidence", &mut self.evidence, &running.evidence, &mut left);
        keep("workers", &mut self.workers, &running.workers, &mut left);
        keep("listen.postgres", &mut self.listen.postgres, &running.listen.postgres, &mut left);
        keep("listen.ssh", &mut self.listen.ssh, &running.listen.ssh, &mut left);
        keep("listen.http", &mut self.listen.http, &running.listen.http, &mut left);
        keep("control.socket", &mut self.control, &running.control, &mut left);
        keep("health.listen", &mut self.health, &running.health, &mut left);
        keep("log.format", &mut self.log.format, &running.log.format, &mut left);
        keep("log.level", &mut self.log.level, &running.log.level, &mut left);
        keep("log.file", &mut self.log.file, &running.log.file, &mut left);
        keep("log.rotate_bytes", &mut self.log.rotate_bytes, &running.log.rotate_bytes, &mut left);
        keep("log.keep", &mut self.log.keep, &running.log.keep, &mut left);
        left
    }
}

fn keep<T: Clone + PartialEq>(key: &'static str, new: &mut T, running: &T, left: &mut Vec<&'static str>) {
    if new != running {
        new.clone_from(running);
        left.push(key);
    }
}
