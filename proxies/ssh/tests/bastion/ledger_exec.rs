//! Commands that hide what they do, all the way to a real shell: none of them removes the file.

use crate::house::House;
use crate::raw::Peer;

/// Commands run; none that removes, and no file is touched otherwise.
const POLICY: &str = r#"
policy "no removal"
default deny
allow "commands" { by group "eng"  on ssh  do exec, read }
deny  "removal"  { on ssh  do exec  when argv is ["rm", **] }
"#;

/// `@` is the file.
const HIDDEN: &[&str] = &[
    "rm @",
    "r\"m\" @",
    "'r'm @",
    "\\rm @",
    "$'\\x72m' @",
    "rm$IFS\"@\"",
    "rm${IFS}@",
    "a=r;b=m;$a$b @",
    "{rm,@}",
    "/b?n/r? @",
    "/bin/[r]m @",
    "~/../../bin/rm @",
    "echo rm @ | sh",
    "echo cm0gVgo= | base64 -d | sh",
    "$(echo rm) @",
    "`echo rm` @",
    "echo $(rm @)",
    "cat <(rm @)",
    "sh <<E\nrm @\nE",
    "sh <<< 'rm @'",
    "eval 'rm @'",
    "python3 -c 'import os; os.unlink(\"@\")'",
    "perl -e 'unlink \"@\"'",
    "awk 'BEGIN { system(\"rm @\") }'",
    "env rm @",
    "env -S 'rm @'",
    "echo @ | xargs rm",
    "find @ -exec rm {} ;",
    "find @ -delete",
    "sudo rm @",
    "nohup rm @",
    "timeout 5 rm @",
    "nice rm @",
    "sh -c 'rm @'",
    "bash -c 'r''m @'",
    "command rm @",
    "exec rm @",
    "busybox rm @",
    "alias x=rm\nx @",
    "f() { rm @; }; f",
    "trap 'rm @' EXIT",
    "true && rm @",
    "false || rm @",
    "true; rm @",
    "true & rm @",
    "true\nrm @",
    "ssh localhost rm @",
    "tmux new -d 'rm @'",
    "screen -dm rm @",
    "> @",
    "tar cf /dev/null --checkpoint=1 --checkpoint-action=exec='rm @' @",
    "PATH=/tmp:$PATH rm @",
    "LD_PRELOAD=/tmp/x.so cat @",
    "BASH_ENV=@ bash -c true",
    "rm\u{a0}@; rm @",
    "r\u{200b}m @; rm @",
];

#[tokio::test]
async fn no_spelling_of_a_removal_reaches_the_target() {
    let house = House::policed(POLICY).await;
    let victim = house.sshd.home.join("victim");
    std::fs::write(&victim, "still here").unwrap();
    std::fs::set_permissions(&victim, std::os::unix::fs::PermissionsExt::from_mode(0o666)).unwrap();
    let mut peer = Peer::logged_in(house.address, "ana:web-1", &house.ana).await;
    for hidden in HIDDEN {
        let command = hidden.replace('@', &victim.display().to_string());
        let line = peer.session().await;
        peer.exec(line, &command).await;
        let said = peer.end(line).await;
        assert_eq!(said.status, Some(126), "{command}: {said:?}");
        assert_eq!(std::fs::read_to_string(&victim).ok().as_deref(), Some("still here"), "{command}");
    }
    let line = peer.session().await;
    peer.exec(line, &format!("cat {}", victim.display())).await;
    assert_eq!(peer.end(line).await.out(), "still here");
}

/// What a shell would read otherwise than it was judged is sent as the words that were judged.
#[tokio::test]
async fn a_plain_command_is_sent_as_the_words_that_were_judged() {
    let house = House::policed(POLICY).await;
    let output = house.client("ana").ssh(&["box", "printf '[%s]' \"a b\" 'c'\\''d' \u{442}"]).await.success();
    assert_eq!(output.text(), "[a b][c'd][\u{442}]");
    // Letters that look like others are other letters.
    let output = house.client("ana").ssh(&["box", "\u{433}m x"]).await;
    assert_eq!(output.code, Some(127), "{}", output.errors());
}
