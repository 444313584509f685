"""The picture formats that are read and written."""

# suffix to Pillow's name of the format; a .gif is a video here
FORMATS = {
    ".avif": "AVIF",
    ".bmp": "BMP",
    ".jpeg": "JPEG",
    ".jpg": "JPEG",
    ".png": "PNG",
    ".tif": "TIFF",
    ".tiff": "TIFF",
    ".webp": "WEBP",
}
# read only, and only where pillow-heif is installed
HEIF = {".heic": "HEIF", ".heif": "HEIF"}
