from __future__ import annotations

import subprocess
import sys


def test_a_missing_system_library_is_answered_with_the_line_that_mends_it(tmp_path):
    broken = 'raise ImportError("libGL.so.1: cannot open shared object file: No such file or directory")'
    (tmp_path / "cv2.py").write_text(broken)
    code = f"import sys; sys.path.insert(0, {str(tmp_path)!r}); sys.argv = ['nstfilter', 'apply', 'x.png']; "
    ended = subprocess.run(
        [sys.executable, "-c", code + "from nstfilter.__main__ import main; main()"],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
    )
    assert ended.returncode == 1
    assert "apt-get install -y libgl1 libglib2.0-0 libxcb1" in ended.stderr
    assert "opencv-python-headless" in ended.stderr
    assert ended.stderr.count("\n") == 1
