// The
// third line is wrong.
exports.handler = async ( => 1;
