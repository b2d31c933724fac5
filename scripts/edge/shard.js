// Which torrent a request is about: the bytes of its first info_hash=, in hexadecimal. Nothing for
// requests without one.

function info_hash(request) {
    const found = /(?:^|&)info_hash=([^&]*)/.exec(request.variables.args || '');
    if (!found) {
        return '';
    }
    // %XX is a byte, and + is itself, as the trackers read it.
    const byte = /%([0-9a-fA-F]{2})|([\s\S])/g;
    let hex = '';
    let part;
    while ((part = byte.exec(found[1])) !== null) {
        const plain = part[1] || part[2].charCodeAt(0).toString(16).padStart(2, '0');
        hex += plain.toLowerCase();
    }
    return hex;
}

export default { info_hash };
