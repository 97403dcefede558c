"""The server of the page: what it gives to whom, and ranges against the files themselves."""

import email
import json
import os
import random
import re
import socket
from concurrent.futures import ThreadPoolExecutor

import pytest
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from epigept_batch.browser.keys import Keys
from epigept_batch.browser.server import cookie_name
from epigept_batch.browser.serving import listen
from epigept_batch.errors import InputError

from .conftest import serving  # isort: skip


def files_of(served):
    return {f"/files/{key}": file.path for key, file in served.page.files.by_key.items()}


def paths_of(served):
    return ["/", "/view.js", "/view.css", "/igv.js", "/view.json", "/contigs.tsv", "/names.tsv", *files_of(served)]


def bigwig(served):
    return next((url, path.read_bytes()) for url, path in files_of(served).items() if path.suffix == ".bw")


def test_with_the_token_everything_is_there(served, run_folder):
    for path in paths_of(served):
        status, _, body = served.ask(path)
        assert (status, bool(body)) == (200, True), path
    found = {path.name for path in files_of(served).values()}
    assert found == {path.name for path in run_folder.glob("*.bw")} | {"genome.fa", "genome.fa.fai"}
    for url, path in files_of(served).items():
        assert served.ask(url)[2] == path.read_bytes()


def test_without_the_token_nothing_is_there(served):
    served.keys.once()
    for path in [*paths_of(served), "/?token=", "/?token=x", "/?token=%C3%A9", "/absent", "/view.json?token=x"]:
        for headers in (
            {},
            {"Cookie": f"epigept-batch-{served.port}=x"},
            {"Cookie": f"epigept-batch-{served.port + 1}={served.keys.token}"},
            {"Authorization": f"Bearer {served.keys.token}"},
        ):
            status, _, body = served.ask(path, token=False, **headers)
            assert status == 403, path
            assert served.keys.token.encode() not in body


def test_the_token_in_the_url_opens_the_page_only_and_sets_a_cookie(served):
    status, headers, _ = served.ask(f"/?token={served.keys.token}", token=False)
    assert status == 200
    assert headers["set-cookie"] == f"{served.cookie}; Path=/; HttpOnly; SameSite=Strict"
    assert served.ask(f"/view.json?token={served.keys.token}", token=False)[0] == 403
    assert "set-cookie" not in served.ask("/")[1]


def test_a_key_for_the_browser_opens_the_page_once(served):
    key = served.keys.once()
    status, headers, _ = served.ask(f"/?token={key}", token=False)
    assert (status, headers["set-cookie"].split(";")[0]) == (200, served.cookie)
    assert served.ask(f"/?token={key}", token=False)[0] == 403
    assert served.ask("/view.json", token=False, Cookie=f"epigept-batch-{served.port}={key}")[0] == 403


def test_tokens_are_long_and_differ():
    tokens = {Keys().token for _ in range(20)}
    assert len(tokens) == 20
    assert all(len(token) == 43 for token in tokens)


def test_another_name_of_this_machine_is_refused(served):
    for host in ["evil.example", "evil.example:{port}", "127.0.0.1.evil.example", "", "10.0.0.1:{port}"]:
        assert served.ask("/view.json", Host=host.format(port=served.port))[0] == 400


def test_a_host_with_an_odd_port_is_not_an_error(served):
    for port in ("abc", "", "99999999", "1:2", "\u0661"):
        assert served.ask("/", token=False, Host=f"127.0.0.1:{port}".encode())[0] in (400, 403)
    assert cookie_name("127.0.0.1:9000") == "epigept-batch-9000"
    for port in ("1; Path=/x", "\u0661", "-1", ""):
        assert cookie_name(f"127.0.0.1:{port}") == "epigept-batch-"


def test_a_forwarded_port_has_a_cookie_of_its_own(served):
    """Over ssh -L 9000:127.0.0.1:PORT, the browser knows the server as port 9000."""
    status, headers, _ = served.ask(f"/?token={served.keys.token}", token=False, Host="localhost:9000")
    assert (status, headers["set-cookie"].split(";")[0]) == (200, f"epigept-batch-9000={served.keys.token}")
    assert (
        served.ask("/view.json", token=False, Host="localhost:9000", Cookie=f"epigept-batch-9000={served.keys.token}")[
            0
        ]
        == 200
    )


def test_nothing_can_be_written(served):
    for method in ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"]:
        for path in paths_of(served):
            assert served.ask(path, method)[0] == 405


ELSEWHERE = [
    "/files", "/files/", "/files//etc/passwd", "/files/../../../../etc/passwd", "/files/..%2f..%2fgenome.fa",
    "/files/%2e%2e/%2e%2e/etc/passwd", "/files/0.fa/../secret.txt", "/files/0.fa%00.bw", "/files/0.fa/",
    "/files/00.fa", "/files/-1.bw", "/files/a.DNase.bw", "/files/secret.txt", "/secret.txt", "/../secret.txt",
    "/a.run.json", "/.a.journal", "/index.html", "/page/index.html", "/view.py", "/%5c..%5cgenome.fa",
    "//etc/passwd",
]  # fmt: skip


def test_no_path_leads_elsewhere(served, run_folder):
    (run_folder / "secret.txt").write_text("secret")
    for path in ELSEWHERE:
        status, _, body = served.ask(path)
        assert (status, len(body) < 40) == (404, True), path


def test_every_response_is_kept_to_this_page(served):
    asked = ("/", "/view.json", "/files/0.fa", "/absent")
    answers = [served.ask(path) for path in asked]
    answers += [served.ask("/", token=False), served.ask("/", "POST"), served.ask("/", Host="evil.example")]
    for _, headers, _ in answers:
        policy = dict(part.strip().split(" ", 1) for part in headers["content-security-policy"].split(";"))
        assert policy["default-src"] == "'none'"
        assert policy["script-src"] == policy["connect-src"] == "'self'"
        assert not re.search(r"https?:|\*", headers["content-security-policy"])
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["cache-control"] == "no-store"
        assert "server" not in headers


def test_the_page_has_no_script_or_style_of_its_own_and_names_no_other_host(served):
    text = served.ask("/")[2].decode()
    assert not re.search(r"<script(?! src)|<style|\son\w+=|style=", text)
    for path in ("/", "/view.js", "/view.css"):
        assert b"http" not in served.ask(path)[2].replace(b"http-equiv", b"")


def test_head_is_get_without_a_body(served):
    for path in paths_of(served):
        status, headers, body = served.ask(path, "HEAD", Range="bytes=0-9")
        assert (status, body) == (200, b"")
        assert headers["content-length"] == served.ask(path)[1]["content-length"]
        assert "content-range" not in headers


def test_a_range_is_part_of_the_file(served):
    url, content = bigwig(served)
    size = len(content)
    for header, start, end in [
        ("bytes=0-63", 0, 64), ("bytes=100-", 100, size), ("bytes=-64", size - 64, size),
        (f"bytes={size - 1}-{size + 99}", size - 1, size), (f"bytes=-{size + 5}", 0, size), ("bytes=0-0", 0, 1),
        (f"bytes={size}-,7-9", 7, 10), ("bytes=0-99,50-149", 0, 150),
    ]:  # fmt: skip
        status, headers, body = served.ask(url, Range=header)
        assert (status, body) == (206, content[start:end]), header
        assert headers["content-range"] == f"bytes {start}-{end - 1}/{size}"
        assert headers["content-length"] == str(end - start)
        assert headers["accept-ranges"] == "bytes"


def test_a_range_that_is_not_there_is_416(served):
    url, content = bigwig(served)
    for header in ["bytes={size}-", "bytes=-0", "bytes=9-3", "bytes=x-y", "bytes=", "bytes={size}-,x"]:
        status, headers, body = served.ask(url, Range=header.format(size=len(content)))
        assert (status, headers["content-range"]) == (416, f"bytes */{len(content)}")
        assert len(body) < 100


def test_several_ranges_come_as_parts(served):
    url, content = bigwig(served)
    status, headers, body = served.ask(url, Range="bytes=0-9, 100-149, -5")
    assert status == 206
    assert headers["content-length"] == str(len(body))
    message = email.message_from_bytes(b"Content-Type: " + headers["content-type"].encode() + b"\r\n\r\n" + body)
    parts = {part["content-range"]: part.get_payload(decode=True) for part in message.get_payload()}
    size = len(content)
    assert parts == {
        f"bytes 0-9/{size}": content[:10],
        f"bytes 100-149/{size}": content[100:150],
        f"bytes {size - 5}-{size - 1}/{size}": content[-5:],
    }


def test_another_unit_or_too_many_ranges_is_the_whole_file(served):
    url, content = bigwig(served)
    for header in ("lines=0-9", "bytes=" + ",".join(f"{n}-{n}" for n in range(0, 400, 2))):
        status, _, body = served.ask(url, Range=header)
        assert (status, body) == (200, content)


def test_if_range_heeds_a_range_only_of_the_same_file(served):
    url, content = bigwig(served)
    headers = served.ask(url, "HEAD")[1]
    for same in (headers["etag"], headers["last-modified"]):
        status, _, body = served.ask(url, Range="bytes=5-9", If_Range=same)
        assert (status, body) == (206, content[5:10])
    for other in ('"other"', f"W/{headers['etag']}", "Wed, 21 Oct 2015 07:28:00 GMT"):
        for asked in ("bytes=5-9", "bytes=x"):
            status, _, body = served.ask(url, Range=asked, If_Range=other)
            assert (status, body) == (200, content)


def test_a_file_that_changes_is_refused_whole(served):
    url, content = bigwig(served)
    path = files_of(served)[url]
    state = path.stat()
    assert served.ask(url, Range="bytes=0-9")[0] == 206
    new = path.with_suffix(".new")  # of the same size and time, as after a rerun with --force and a copy
    new.write_bytes(content[::-1])
    os.utime(new, ns=(state.st_atime_ns, state.st_mtime_ns))
    new.replace(path)
    for method in ("GET", "HEAD"):
        assert served.ask(url, method, Range="bytes=0-9")[0] == 409
    path.unlink()
    assert served.ask(url)[0] == 409


def test_fifty_readers_at_once_read_what_is_in_the_files(served):
    files = [(url, path.read_bytes()) for url, path in files_of(served).items()]

    def read(seed):
        rng = random.Random(seed)
        for _ in range(20):
            url, content = rng.choice(files)
            start = rng.randrange(len(content))
            end = rng.randrange(start, len(content)) + 1
            status, _, body = served.ask(url, Range=f"bytes={start}-{end - 1}")
            if (status, body) != (206, content[start:end]):
                return False
        return True

    with ThreadPoolExecutor(50) as pool:
        assert all(pool.map(read, range(50)))


def test_it_listens_on_this_machine_only():
    with listen(None) as one:
        address, port = one.getsockname()
        assert address == "127.0.0.1"
        with pytest.raises(InputError, match=f"--port {port}: Address already in use; choose another"):
            listen(port)
    with listen(port) as again:
        assert again.getsockname() == ("127.0.0.1", port)
        with socket.create_connection(("127.0.0.1", port), timeout=5):
            pass


def test_genes_come_by_interval_and_by_name(run_folder, tmp_path):
    genes = tmp_path / "genes.bed"
    rows = ["one\t1000\t3000\tGATA1\t0\t+\t1800\t2600\t0\t3\t400,300,500\t0,700,1500", "two\t100\t200\tTP53\t0\t-"]
    genes.write_text("\n".join(rows) + "\n")
    script = tmp_path / "igv.js"
    script.touch()
    with serving(run_folder, script, genes=genes) as served:
        asked = "/genes?contig=one&start={}&end={}"
        (gene,) = json.loads(served.ask(asked.format(2999, 3100))[2])
        assert gene == {
            "chr": "one", "start": 1000, "end": 3000, "name": "GATA1", "strand": "+", "cdStart": 1800, "cdEnd": 2600,
            "exons": [
                {"start": 1000, "end": 1400, "utr": True},
                {"start": 1700, "end": 2000, "cdStart": 1800},
                {"start": 2500, "end": 3000, "cdEnd": 2600},
            ],
        }  # fmt: skip
        assert json.loads(served.ask(asked.format(3000, 3100))[2]) == []
        assert json.loads(served.ask("/genes?contig=absent&start=0&end=9")[2]) == []
        for query in ("", "?contig=one", "?contig=one&start=a&end=9", "?contig=one&start=1.5&end=9"):
            assert served.ask(f"/genes{query}")[0] == 400
        assert json.loads(served.ask("/find?name=GATA1")[2]) == [
            {"chromosome": "one", "start": 1000, "end": 3000, "gene": "GATA1"}
        ]
        assert json.loads(served.ask("/find?name=tp53")[2])[0]["chromosome"] == "two"
        assert json.loads(served.ask("/find?name=absent")[2]) == json.loads(served.ask("/find")[2]) == []
        assert served.ask("/find?name=GATA1", token=False)[0] == 403


def test_without_genes_there_are_none(served):
    assert served.ask("/genes?contig=one&start=0&end=9")[0] == served.ask("/find?name=a")[0] == 404


def test_routes_of_other_features_have_the_same_checks(run_folder, tmp_path):
    async def answer(_request):
        return PlainTextResponse("computed")

    (tmp_path / "igv.js").touch()
    further = [Route("/live", answer, methods=["POST"])]
    with serving(run_folder, tmp_path / "igv.js", further=further) as served:
        assert served.ask("/live", "POST")[2] == b"computed"
        assert served.ask("/live", "POST", token=False)[0] == 403
        assert served.ask("/live")[0] == 405
