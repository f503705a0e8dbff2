"""Names of picture files. The content decides what a picture is, not its name; other files are passed over."""

ENDINGS = {".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".png", ".apng", ".webp", ".gif", ".bmp", ".dib"}
ENDINGS |= {".tif", ".tiff", ".avif", ".heic", ".heif"}
